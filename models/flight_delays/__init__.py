"""Will a flight arrive 15 minutes late or more? NYC flights of 2013."""
