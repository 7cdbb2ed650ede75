"""A supervisor that ignores its input and exits a little later, without a report."""

import os
import time

os.close(0)
time.sleep(2)
