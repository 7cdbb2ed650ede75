"""A program that does nothing until it is killed."""

import threading

if __name__ == "__main__":
    threading.Event().wait()
