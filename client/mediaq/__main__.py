"""`python -m mediaq`: the same as the command `mediaq`."""

from mediaq.cli import main

if __name__ == "__main__":
    main()
