package dev.llmworker.serving.connection;

import io.vertx.core.Future;
import io.vertx.core.http.ServerWebSocket;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.List;

/// A WebSocket that only notes with which codes it was closed; whatever else is called fails.
final class ClosedSocket {
    final List<Short> codes = new ArrayList<>();

    ServerWebSocket socket() {
        return (ServerWebSocket) Proxy.newProxyInstance(
                ServerWebSocket.class.getClassLoader(),
                new Class<?>[] {ServerWebSocket.class},
                (_, method, arguments) -> {
                    if (!method.getName().equals("close")) {
                        throw new UnsupportedOperationException(method.toString());
                    }
                    codes.add((Short) arguments[0]);
                    return Future.succeededFuture();
                });
    }
}
