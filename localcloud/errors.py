"""What can go wrong in the local cloud, as one tree."""


class LocalCloudError(Exception):
    """The local cloud cannot do what was asked; the text says what to do about it."""


class AdminError(LocalCloudError):
    """The AWS process did not answer an admin request as agreed."""


class UserDataError(LocalCloudError):
    """An instance's user data has no block of variables that can be read."""
