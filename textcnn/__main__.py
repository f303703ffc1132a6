"""`python -m textcnn` is the command `textcnn`."""

from textcnn.cli import main

if __name__ == "__main__":
    main()
