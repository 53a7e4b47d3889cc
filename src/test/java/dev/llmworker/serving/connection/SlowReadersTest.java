package dev.llmworker.serving.connection;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.serving.memory.MemoryBudget;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.ManualClock;
import dev.llmworker.testing.RawConnection;
import dev.llmworker.testing.ScriptedGenerator;
import dev.llmworker.testing.WorkerExtension;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelOutboundBuffer;
import io.netty.channel.ChannelOutboundHandlerAdapter;
import io.netty.channel.embedded.EmbeddedChannel;
import java.io.IOException;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Clients that read nothing of what is sent to them are cut after `SEND_TIMEOUT`; those that read slowly are not.
class SlowReadersTest {
    // More than the sockets' buffers hold, at both ends.
    private static final int TOKENS = 4_000;
    private static final String TOKEN = "x".repeat(1 << 14);

    private static final Duration SECOND = Duration.ofSeconds(1);

    private final ScriptedGenerator engine = new ScriptedGenerator();

    private final ManualClock clock = new ManualClock();

    // Without pings, which would close a WebSocket, too.
    @RegisterExtension
    final WorkerExtension worker = WorkerExtension.of(engine)
            .with("SEND_TIMEOUT", "1")
            .with("PING_INTERVAL", "0")
            .with(clock);

    private RawConnection post(String path, String body) throws Exception {
        return worker.raw()
                .send("POST " + path + " HTTP/1.1\r\nHost: worker\r\nContent-Length: " + body.length() + "\r\n\r\n"
                        + body);
    }

    private ScriptedGenerator.Script flood() throws Exception {
        var flood = engine.next();
        for (var i = 0; i < TOKENS; i++) {
            flood.emit(TOKEN);
        }
        return flood;
    }

    @ParameterizedTest
    @ValueSource(strings = {"/generate", "/v1/completions", "/ws"})
    void aStreamThatNobodyReadsEnds(String path) throws Exception {
        var body = "{\"prompt\":\"x\",\"stream\":true}";
        try (var _ = path.equals("/ws") ? worker.raw().upgrade(path).text(body) : post(path, body)) {
            var flood = flood();
            Await.until("the generation is closed", () -> {
                clock.advance(SECOND);
                return flood.isClosed();
            });
            Await.until("it is over", () -> worker.stats.finished("cancelled") == 1);
            assertTrue(worker.stats.wastedTokens() > 0, "all was sent though nobody read");
            assertEquals(0, worker.stats.runningGenerations());
            Await.until("the socket is closed", () -> worker.stats.webSockets() == 0);
        }
    }

    @Test
    void aWholeAnswerThatNobodyReadsIsForgotten() throws Exception {
        try (var client = post("/generate", "{\"prompt\":\"x\"}")) {
            flood().finish(FinishReason.STOP);
            Await.until("the answer is under way", () -> worker.stats.finished("stop") == 1);
            Await.until("the worker has closed", () -> {
                clock.advance(SECOND);
                try {
                    client.send("x");
                    return false;
                } catch (IOException _) {
                    return true;
                }
            });
        }
    }

    /// A connection whose client takes as many bytes as a test says.
    private static final class SlowChannel extends EmbeddedChannel {
        private long room;

        SlowChannel() {
            super(new ChannelOutboundHandlerAdapter());
        }

        @Override
        protected void doWrite(ChannelOutboundBuffer buffer) {
            while (room > 0 && buffer.current() instanceof ByteBuf next) {
                var taken = Math.min(room, next.readableBytes());
                room -= taken;
                buffer.removeBytes(taken);
            }
        }

        /// The checks run on the channel's event loop.
        boolean isOpenAfter(ManualClock clock, Duration duration) {
            for (var seconds = duration.toSeconds(); seconds > 0; seconds--) {
                clock.advance(SECOND);
                runPendingTasks();
            }
            return isOpen();
        }

        void given(int bytes) {
            writeAndFlush(Unpooled.buffer(bytes).writeZero(bytes));
        }

        void takes(int bytes) {
            room = bytes;
            flush();
        }
    }

    private static void watch(ManualClock clock, SlowChannel channel) {
        new SlowReaders(clock, Timeouts.DEFAULT, MemoryBudget.unlimited()).connected(channel);
    }

    @Test
    void aReaderOfAsMuchAsItIsGivenIsSlowAndNotStalled() {
        var channel = new SlowChannel();
        watch(clock, channel);
        channel.given(1_000);
        for (var i = 0; i < 100; i++) {
            assertTrue(channel.isOpenAfter(clock, Timeouts.DEFAULT.send()), "after " + i);
            channel.given(1_000);
            channel.takes(1_000);
        }
    }

    @Test
    void aReaderOfALargePieceIsSlowAndNotStalled() {
        var channel = new SlowChannel();
        watch(clock, channel);
        channel.given(1_000);
        for (var i = 0; i < 100; i++) {
            assertTrue(channel.isOpenAfter(clock, Timeouts.DEFAULT.send()), "after " + i);
            channel.takes(1);
        }
        assertFalse(channel.isOpenAfter(clock, Timeouts.DEFAULT.send().plusSeconds(2)));
    }

    @Test
    void aReaderIsStalledOnlyFromWhenItIsGivenSomething() {
        var channel = new SlowChannel();
        watch(clock, channel);
        assertTrue(channel.isOpenAfter(clock, Timeouts.DEFAULT.send().multipliedBy(3)));
        channel.given(1);
        assertTrue(channel.isOpenAfter(clock, Timeouts.DEFAULT.send()));
        assertFalse(channel.isOpenAfter(clock, Duration.ofSeconds(2)));
    }

    @Test
    void aStreamThatIsReadSlowlyIsReadToItsEnd() throws Exception {
        try (var client = post("/generate", "{\"prompt\":\"x\",\"stream\":true}")) {
            flood().finish(FinishReason.STOP);
            // More than the buffers hold, so that the worker must have sent some of it since the last look.
            var piece = 12L << 20;
            for (var left = (long) TOKENS * TOKEN.length(); left > 0; left -= piece) {
                client.skip(Math.min(piece, left));
                clock.advance(SECOND);
            }
            Await.until("it is over", () -> worker.stats.finished("stop") == 1);
            assertEquals(0, worker.stats.wastedTokens());
        }
    }
}
