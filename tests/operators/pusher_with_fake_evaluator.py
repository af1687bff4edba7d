"""The real pusher's command line, which evaluates again by `fake_component`."""

import sys
from pathlib import Path

from components.parent_death import die_with_announced_parent
from components.pusher import __main__ as pusher
from components.pusher import reevaluation
from tests.operators.fake_component import wait_while_paused

FAKE = Path(__file__).with_name("fake_component.py")

if __name__ == "__main__":
    die_with_announced_parent()
    wait_while_paused("pusher")
    reevaluation.EVALUATOR = (sys.executable, str(FAKE), "evaluator")
    sys.exit(pusher.main())
