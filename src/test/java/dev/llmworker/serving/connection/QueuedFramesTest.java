package dev.llmworker.serving.connection;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.buffer.AbstractByteBufAllocator;
import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelOutboundHandlerAdapter;
import io.netty.channel.ChannelPromise;
import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.handler.codec.http.websocketx.TextWebSocketFrame;
import io.netty.handler.codec.http.websocketx.WebSocket13FrameDecoder;
import io.netty.handler.codec.http.websocketx.WebSocketDecoderConfig;
import io.netty.handler.codec.http.websocketx.WebSocketFrame;
import io.netty.util.ReferenceCountUtil;
import io.vertx.core.Future;
import io.vertx.core.http.ServerWebSocket;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/// [WebSocketFrames] with an event loop that runs when the test says so.
class QueuedFramesTest {
    private final AtomicInteger flushes = new AtomicInteger();
    private final AtomicInteger reads = new AtomicInteger();
    private final WriteWindow window = new WriteWindow(reads::incrementAndGet);
    private final EmbeddedChannel client =
            new EmbeddedChannel(new WebSocket13FrameDecoder(WebSocketDecoderConfig.newBuilder()
                    .expectMaskedFrames(false)
                    .maxFramePayloadLength(1 << 20)
                    .build()));
    private boolean closed;
    private boolean fails;
    private final EmbeddedChannel channel = new EmbeddedChannel(
            new Port(),
            // In the place of Vert.x's own handler.
            new ChannelOutboundHandlerAdapter());
    private final ServerWebSocket socket = (ServerWebSocket) Proxy.newProxyInstance(
            ServerWebSocket.class.getClassLoader(), new Class<?>[] {ServerWebSocket.class}, (_, method, _) -> {
                if (method.getName().equals("close")) {
                    closed = true;
                    return Future.succeededFuture();
                }
                return closed;
            });
    private final WebSocketFrames frames =
            new WebSocketFrames(socket, channel.pipeline().lastContext(), window);

    /// Counts flushes, and fails if the test says so.
    private final class Port extends ChannelOutboundHandlerAdapter {
        @Override
        public void write(ChannelHandlerContext context, Object message, ChannelPromise promise) {
            if (fails) {
                ReferenceCountUtil.release(message);
                promise.setFailure(new OutOfMemoryError("injected"));
            } else {
                context.write(message, promise);
            }
        }

        @Override
        public void flush(ChannelHandlerContext context) {
            flushes.incrementAndGet();
            context.flush();
        }
    }

    private void add(String frame) {
        window.add(frame.length());
        frames.add(frame);
    }

    /// The texts of all frames that were written since the last call, as a client reads them.
    private List<String> written() {
        for (ByteBuf buffer = channel.readOutbound(); buffer != null; buffer = channel.readOutbound()) {
            client.writeInbound(buffer);
        }
        var texts = new ArrayList<String>();
        for (WebSocketFrame frame = client.readInbound(); frame != null; frame = client.readInbound()) {
            assertTrue(frame.isFinalFragment());
            texts.add(assertInstanceOf(TextWebSocketFrame.class, frame).text());
            frame.release();
        }
        return texts;
    }

    @Test
    void framesThatWaitTogetherAreWrittenInTheirOrderAndFlushedOnce() {
        add("a");
        add("ä");
        add("c");
        channel.runPendingTasks();
        assertEquals(List.of("a", "ä", "c"), written());
        assertEquals(1, flushes.get());
        add("d");
        channel.runPendingTasks();
        assertEquals(List.of("d"), written());
        assertEquals(2, flushes.get());
    }

    @Test
    void framesOfEachLengthAreReadAsTheyWereWritten() {
        var sent = new ArrayList<String>();
        for (var length : new int[] {0, 1, 124, 125, 126, 127, 16_383, 16_384, 65_535, 65_536, 200_000}) {
            sent.add("x".repeat(length));
            sent.add("€".repeat(length / 3) + "x".repeat(length % 3));
        }
        sent.add("\uD83D\uDE00");
        sent.forEach(this::add);
        channel.runPendingTasks();
        assertEquals(sent, written());
        assertEquals(1, flushes.get());
    }

    @Test
    void halfASurrogatePairIsSentAsAQuestionMark() {
        add("a\uD83Db");
        channel.runPendingTasks();
        assertEquals(List.of("a?b"), written());
    }

    @Test
    void aSlowClientIsSeenToReadBeforeItHasReadAll() {
        var frame = "x".repeat(1000);
        for (var i = 0; i < 100; i++) {
            add(frame);
        }
        channel.runPendingTasks();
        // 100 KiB leave in buffers of 16 KiB, all but the last of which have others behind them.
        assertTrue(reads.get() >= 2, reads.get() + " times");
        assertEquals(100, written().size());
        window.await();
    }

    @Test
    void nothingFollowsTheFrameThatClosesAndTheWindowIsEmptyAgain() {
        var many = 200;
        for (var i = 0; i < many; i++) {
            add("frame " + i);
        }
        closed = true;
        channel.runPendingTasks();
        assertEquals(List.of(), written());
        // The window says of each frame that leaves before the low mark that others wait behind it.
        assertTrue(reads.get() > many / 2, reads.get() + " frames");
        window.await();
    }

    @Test
    void framesThatCannotBeWrittenCloseTheConnectionAndTheWindowIsEmptyAgain() {
        fails = true;
        for (var i = 0; i < 300; i++) {
            add("x".repeat(1000));
        }
        channel.runPendingTasks();
        assertFalse(channel.isOpen());
        assertEquals(List.of(), written());
        window.await();
    }

    @Test
    void framesThatFindNoMemoryCloseTheConnectionAndTheWindowIsEmptyAgain() {
        var frame = "x".repeat(1 << 20);
        channel.config().setAllocator(new AbstractByteBufAllocator() {
            @Override
            protected ByteBuf newHeapBuffer(int capacity, int most) {
                throw new OutOfMemoryError("injected");
            }

            @Override
            protected ByteBuf newDirectBuffer(int capacity, int most) {
                throw new OutOfMemoryError("injected");
            }

            @Override
            public boolean isDirectBufferPooled() {
                return false;
            }
        });
        window.add(frame.length());
        frames.add(frame);
        assertThrows(OutOfMemoryError.class, frames::write);
        channel.runPendingTasks();
        assertFalse(channel.isOpen());
        window.await();
    }

    @Test
    void aConnectionThatIsRefusedGetsTheFramesThatWereSentBefore() {
        var connection = new WebSocketConnection(
                socket, channel.pipeline().lastContext(), "id", null, new KeepAlive(System::nanoTime));
        assertTrue(connection.send("a"));
        connection.refuse((short) 1007, "text must be valid UTF-8");
        assertTrue(closed);
        assertEquals(List.of("a"), written());
    }
}
