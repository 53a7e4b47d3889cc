package dev.llmworker.serving.port;

import java.net.BindException;
import java.net.UnknownHostException;

/// A port that cannot be opened; the message says which, why, and what to do.
public final class PortException extends Exception {
    private PortException(String message, Throwable cause) {
        super(message, cause);
    }

    static PortException of(String message, Throwable cause) {
        return new PortException(message, cause);
    }

    static PortException of(String variable, String host, int port, Throwable cause) {
        var reason = String.valueOf(cause.getMessage());
        var other = port < 1024 ? 8080 : port + 1;
        if (cause instanceof UnknownHostException || reason.contains("Cannot assign requested address")) {
            return new PortException("HOST is \"" + host + "\", which is no address of this machine", cause);
        }
        if (reason.contains("Permission denied")) {
            return new PortException(
                    "port " + port + " cannot be opened without privileges; choose another: " + variable + "=" + other
                            + " ./worker",
                    cause);
        }
        if (cause instanceof BindException) {
            return new PortException(
                    "port " + port + " is in use by another process; stop it or choose another: " + variable + "="
                            + other + " ./worker",
                    cause);
        }
        return new PortException("port " + port + " on " + host + " cannot be opened: " + reason, cause);
    }
}
