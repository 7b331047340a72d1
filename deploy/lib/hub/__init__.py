# SPDX-License-Identifier: MIT
"""The parts of a hub on one machine: deploy/local and the tests start them from here."""
