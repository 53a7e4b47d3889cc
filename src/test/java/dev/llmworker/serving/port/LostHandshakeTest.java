package dev.llmworker.serving.port;

import static org.junit.jupiter.api.Assertions.assertEquals;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.AppenderBase;
import dev.llmworker.generation.MockGenerator;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.RunningWorker;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.slf4j.LoggerFactory;

/// Clients that disconnect while the handshake of their WebSocket runs.
@Timeout(60)
class LostHandshakeTest {
    private static final byte[] HANDSHAKE =
            ("GET /ws HTTP/1.1\r\nHost: worker\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                            + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
                    .getBytes(StandardCharsets.US_ASCII);

    private final List<String> errors = new CopyOnWriteArrayList<>();

    @Test
    void theyLeaveNoErrorAndNoOpenWebSocket() throws Exception {
        var root = (Logger) LoggerFactory.getLogger(org.slf4j.Logger.ROOT_LOGGER_NAME);
        var listener = new AppenderBase<ILoggingEvent>() {
            @Override
            protected void append(ILoggingEvent event) {
                if (event.getLevel().isGreaterOrEqual(Level.ERROR)) {
                    errors.add(event.getFormattedMessage() + " " + event.getThrowableProxy());
                }
            }
        };
        listener.start();
        root.addAppender(listener);
        try (var worker = RunningWorker.with(new MockGenerator(Duration.ofMinutes(5), System::nanoTime))) {
            for (var round = 0; round < 50; round++) {
                leaveWhileTheEventLoopIsBusy(worker);
            }
            Await.until("no WebSocket is left", () -> worker.stats.webSockets() == 0);
        } finally {
            root.detachAppender(listener);
        }
        assertEquals(List.of(), errors);
    }

    /// The event loops read the handshakes when the clients have reset their connections.
    private static void leaveWhileTheEventLoopIsBusy(RunningWorker worker) throws Exception {
        var sockets = new Socket[4];
        for (var i = 0; i < sockets.length; i++) {
            sockets[i] =
                    new Socket(InetAddress.getLoopbackAddress(), worker.port().port());
            sockets[i].setSoLinger(true, 0);
        }
        for (var socket : sockets) {
            socket.getOutputStream().write(HANDSHAKE);
            socket.close();
        }
    }
}
