from hypothesis import settings

# No deadline: the first example of a test pays for imports, and machines are busy at times.
settings.register_profile("textcnn", deadline=None)
settings.load_profile("textcnn")
