"""What the fields of requests name, and whose: for playing every RPC with what is another's."""
