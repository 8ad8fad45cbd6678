"""kbd_op."""


def kbd_op(domain):
    """Every domain has a console, and so a keyboard, of its own."""
    return domain.keyboard.operate(domain.arguments[0])
