package dev.llmworker.serving.connection;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelOutboundHandlerAdapter;
import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.handler.codec.http.websocketx.TextWebSocketFrame;
import io.vertx.core.http.ServerWebSocket;
import java.lang.reflect.Proxy;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/// [WebSocketFrames] with an event loop that runs when the test says so.
class QueuedFramesTest {
    private final AtomicInteger flushes = new AtomicInteger();
    private final AtomicInteger reads = new AtomicInteger();
    private final WriteWindow window = new WriteWindow(reads::incrementAndGet);
    private boolean closed;
    private final EmbeddedChannel channel = new EmbeddedChannel(
            new ChannelOutboundHandlerAdapter() {
                @Override
                public void flush(ChannelHandlerContext context) {
                    flushes.incrementAndGet();
                    context.flush();
                }
            },
            // In the place of Vert.x's own handler.
            new ChannelOutboundHandlerAdapter());
    private final WebSocketFrames frames = new WebSocketFrames(
            (ServerWebSocket) Proxy.newProxyInstance(
                    ServerWebSocket.class.getClassLoader(),
                    new Class<?>[] {ServerWebSocket.class},
                    (_, _, _) -> closed),
            channel.pipeline().lastContext(),
            window);

    private void add(String frame) {
        window.add(frame.length());
        frames.add(frame);
    }

    private String written() {
        TextWebSocketFrame frame = channel.readOutbound();
        try {
            return frame.text();
        } finally {
            frame.release();
        }
    }

    @Test
    void framesThatWaitTogetherAreWrittenInTheirOrderAndFlushedOnce() {
        add("a");
        add("ä");
        add("c");
        channel.runPendingTasks();
        assertEquals("a", written());
        assertEquals("ä", written());
        assertEquals("c", written());
        assertEquals(1, flushes.get());
        add("d");
        channel.runPendingTasks();
        assertEquals("d", written());
        assertEquals(2, flushes.get());
    }

    @Test
    void nothingFollowsTheFrameThatClosesAndTheWindowIsEmptyAgain() {
        var many = 200;
        for (var i = 0; i < many; i++) {
            add("frame " + i);
        }
        closed = true;
        channel.runPendingTasks();
        assertNull(channel.readOutbound());
        // The window says of each frame that leaves before the low mark that others wait behind it.
        assertTrue(reads.get() > many / 2, reads.get() + " frames");
        window.await();
    }
}
