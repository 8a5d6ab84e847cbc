"""`tap-billing reconcile`, against files and databases made in the tests."""
