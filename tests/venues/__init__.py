"""Tests of ``contractdesk.venues``."""
