package client;

/// A command line that cannot be followed; its message names the option, the value and what it must be.
public final class UsageException extends Exception {
    private static final long serialVersionUID = 1;

    public UsageException(String message) {
        super(message);
    }
}
