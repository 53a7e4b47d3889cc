package dev.llmworker.serving.connection;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.llmworker.generation.MockGenerator;
import dev.llmworker.serving.camel.PortRouter;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.EventLoops;
import dev.llmworker.testing.LogLines;
import dev.llmworker.testing.RunningWorker;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Semaphore;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Isolated;
import org.slf4j.Logger;

/// Clients that reset their connection around the handshake of a WebSocket.
@Isolated("it expects that nothing is logged")
class HandshakeResetTest {
    private static final int CLIENTS = 20;
    private static final String HANDSHAKE = "GET /ws HTTP/1.1\r\nHost: worker\r\nUpgrade: websocket\r\n"
            + "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

    @Test
    void aResetLeavesNoLineInTheLog() throws Exception {
        try (var worker = RunningWorker.with(new MockGenerator());
                var log = new LogLines(Logger.ROOT_LOGGER_NAME)) {
            var reached = new Semaphore(0);
            var router = worker.context().getRegistry().lookupByNameAndType(PortRouter.NAME, PortRouter.class);
            var gate = Objects.requireNonNull(router).route("/ws").order(Integer.MIN_VALUE + 1);
            gate.handler(request -> {
                request.addEndHandler(_ -> request.vertx().runOnContext(_ -> request.next()));
                reached.release();
            });
            // The worker answers the handshake when the connection is gone.
            for (var i = 0; i < CLIENTS; i++) {
                var client = worker.raw();
                client.send(HANDSHAKE);
                reached.acquire();
                client.reset();
            }
            gate.remove();
            for (var i = 0; i < CLIENTS; i++) {
                var client = worker.raw();
                client.send(HANDSHAKE);
                client.reset();
                worker.raw().upgrade("/ws").reset();
            }
            // A handshake behind all the others.
            worker.socket("/ws").close();
            EventLoops.turn(worker.port.vertx());
            Await.until("all are gone", () -> worker.port.webSockets().isEmpty());
            assertEquals(List.of(), log.with(""));
        }
    }
}
