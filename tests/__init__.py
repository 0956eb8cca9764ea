"""The tests of durabletest; importing any of them sets a guard on every answer and event of the local server."""

import os
import signal
import threading

from tests.quicker import poll_sdk_quickly, share_byte_code, share_service_models

os.environ["COLUMNS"] = "100"  # reports are compared, and as wide as the terminal otherwise
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells ignore it in the background; tests send it
share_byte_code()
share_service_models()

from tests.local.model_guard import install  # noqa: E402 - it reads a service model

MODEL_GUARD = install()
"""There is one for the whole process, and nothing that switches it off."""
poll_sdk_quickly()
