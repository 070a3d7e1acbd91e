"""What both sides of a row must know of networks."""

SIZES = {"inception_v3": 299, "efficientnet_v2_s": 384}


def size_of(network):
    """Pixels of a picture's side, as its published transform has it."""
    return SIZES.get(network, 224)
