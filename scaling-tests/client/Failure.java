package client;

import java.io.EOFException;
import java.io.IOException;
import java.net.ConnectException;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.net.UnknownHostException;
import java.net.http.HttpConnectTimeoutException;
import java.net.http.HttpTimeoutException;
import java.nio.channels.UnresolvedAddressException;
import javax.net.ssl.SSLException;

/// Says in words what went wrong on a connection.
public final class Failure {
    private Failure() {}

    public static String of(IOException failure) {
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            var text = told(cause);
            if (!text.isEmpty()) {
                return text;
            }
        }
        return failure.getMessage() == null ? failure.getClass().getSimpleName() : failure.getMessage();
    }

    private static String told(Throwable cause) {
        var message = String.valueOf(cause.getMessage());
        return switch (cause) {
            case UnresolvedAddressException _ -> "no such host";
            case UnknownHostException _ -> "no such host";
            case HttpConnectTimeoutException _ -> "no connection in time";
            case HttpTimeoutException _ -> "no answer in time";
            case SocketTimeoutException _ ->
                message.startsWith("Connect") ? "no connection in time" : "no answer in time";
            case SSLException _ ->
                "TLS: " + message
                        + (message.contains("certif") || message.contains("PKIX") || message.contains("alternative")
                                ? " (--insecure accepts any certificate)"
                                : "");
            case ConnectException _ ->
                cause.getCause() instanceof UnresolvedAddressException ? "" : "connection refused";
            case EOFException _ -> "connection closed without an answer";
            case SocketException _ -> message.contains("reset") ? "connection reset" : message;
            case IOException _ ->
                message.contains("received no bytes") || message.contains("EOF") || message.contains("closed")
                        ? "connection closed without an answer"
                        : message.contains("reset") ? "connection reset" : "";
            default -> "";
        };
    }
}
