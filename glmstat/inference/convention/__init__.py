"""What other systems print, and why it is another number."""
