"""What every call goes through before and after its servicer, on a socket as well as in process."""
