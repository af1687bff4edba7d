"""What is measured, each against what a user would pick instead."""
