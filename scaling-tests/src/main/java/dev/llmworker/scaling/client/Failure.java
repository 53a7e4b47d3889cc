package dev.llmworker.scaling.client;

import io.netty.channel.ConnectTimeoutException;
import io.vertx.core.http.HttpClosedException;
import io.vertx.core.http.UpgradeRejectedException;
import java.io.IOException;
import java.net.ConnectException;
import java.net.UnknownHostException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeoutException;
import javax.net.ssl.SSLException;

/// Says in words what went wrong on a connection.
final class Failure {
    private Failure() {}

    static String of(Throwable failure) {
        var message = String.valueOf(failure.getMessage());
        return switch (failure) {
            case ExecutionException _ -> of(failure.getCause());
            case UpgradeRejectedException refused -> refusal(refused);
            case UnknownHostException _ -> "no such host";
            case ConnectTimeoutException _ -> "no connection in time";
            case TimeoutException _ -> "no answer in time";
            case ConnectException _ -> "connection refused";
            case SSLException _ -> tls(failure);
            case HttpClosedException _ -> "connection closed without an answer";
            case IOException _ when message.contains("reset") -> "connection reset";
            default -> failure.getMessage() == null ? failure.getClass().getSimpleName() : message;
        };
    }

    private static String refusal(UpgradeRejectedException refused) {
        var location = refused.getHeaders().get("Location");
        return location == null
                ? Answer.refusal(
                        refused.getStatus(),
                        refused.getBody() == null ? "" : refused.getBody().toString())
                : refused.getStatus() + ", redirected to " + location;
    }

    private static String tls(Throwable failure) {
        var root = failure;
        while (root.getCause() != null) {
            root = root.getCause();
        }
        var message = String.valueOf(root.getMessage());
        return "TLS: " + message
                + (message.matches("(?s).*(certif|PKIX|alternative).*") ? " (--insecure accepts any certificate)" : "");
    }
}
