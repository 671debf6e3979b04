"""What each API action does, a module a resource."""
