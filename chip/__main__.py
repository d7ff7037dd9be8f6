"`python -m chip` is the command `chip`."
import sys

from chip.cli import main

sys.exit(main())
