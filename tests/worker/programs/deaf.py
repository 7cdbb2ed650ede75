"""A supervisor that stops listening and ends a little later, without a word."""

import os
import time

os.close(0)
time.sleep(2)
