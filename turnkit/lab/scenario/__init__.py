"""What callers say and do: scenarios, sounds and the calls planned from them."""
