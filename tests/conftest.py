import signal

from hypothesis import settings

# No deadline: the first example of a test pays for imports, and machines are busy at times.
settings.register_profile("textcnn", deadline=None)
settings.load_profile("textcnn")

# A shell's job in the background ignores Ctrl-C, and so would the processes that tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
