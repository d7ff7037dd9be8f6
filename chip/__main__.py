"`python -m chip` is the command `chip`."
import sys

from chip.running.cli import main

sys.exit(main())
