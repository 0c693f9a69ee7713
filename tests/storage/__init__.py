"""Tests of ``contractdesk.storage``."""
