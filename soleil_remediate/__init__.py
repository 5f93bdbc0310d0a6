"""Remediation for Laravel hosts over SSH: find, show, ask, repair, prove."""
