package dev.llmworker.serving.connection;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.serving.memory.MemoryBudget;
import dev.llmworker.testing.RawConnection;
import io.netty.buffer.Unpooled;
import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.handler.codec.http.websocketx.WebSocketFrame;
import java.time.Duration;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// The decoder of frames alone. [WebSocketFramesTest] has the same through a whole worker.
class StrictFramesTest {
    private static final int MAX_FRAME_BYTES = 200;
    private static final int TEXT = 0x81;
    private static final Duration UNUSED = Duration.ofDays(1);
    private static final Timeouts TIMEOUTS =
            new Timeouts(UNUSED, Duration.ofSeconds(1), UNUSED, UNUSED, Duration.ZERO, UNUSED, UNUSED);

    private long nowMillis;
    private final KeepAlive keepAlive = new KeepAlive(() -> nowMillis);
    private final ClosedSocket closed = new ClosedSocket();
    private final EmbeddedChannel channel = new EmbeddedChannel(
            new StrictFrames(closed.socket()::close, MAX_FRAME_BYTES, keepAlive, MemoryBudget.unlimited()));

    private void send(byte[] bytes) {
        channel.writeInbound(Unpooled.wrappedBuffer(bytes));
    }

    @Test
    void aFrameIsTheSameHoweverItsBytesCome() throws Exception {
        var payload = new byte[150];
        Arrays.fill(payload, (byte) 'x');
        for (var b : RawConnection.encoded(TEXT, payload)) {
            assertNull(channel.readInbound());
            send(new byte[] {b});
        }
        WebSocketFrame frame = channel.readInbound();
        assertEquals(150, frame.content().readableBytes());
        frame.release();
        assertEquals(List.of(), closed.codes);
    }

    /// The bytes after the first are masked by zeros.
    @ParameterizedTest
    @CsvSource({
        "too large, 81fe00c9, 1009",
        "not masked, 810178, 1002",
        "a reserved bit, c18000000000, 1002",
        "an unknown opcode, 838000000000, 1002",
        "a ping in pieces, 098000000000, 1002",
        "a continuation of nothing, 808000000000, 1002",
        "half a close code, 88810000000003, 1002",
        "a close code that nobody may send, 88820000000003ed, 1002",
        "a close code of no range, 8882000000001388, 1002",
    })
    void whatBreaksTheProtocolClosesWithItsCodeAndNothingMoreIsRead(String what, String bytes, short code)
            throws Exception {
        send(HexFormat.of().parseHex(bytes));
        assertEquals(List.of(code), closed.codes, what);
        send(RawConnection.encoded(TEXT, new byte[] {'x'}));
        assertTrue(channel.inboundMessages().isEmpty(), what);
    }

    @Test
    void theTimeOfAFrameRunsUntilItsLastByte() throws Exception {
        var frame = RawConnection.encoded(TEXT, new byte[] {'x', 'y'});
        send(Arrays.copyOf(frame, frame.length - 1));
        nowMillis = 1_001;
        assertEquals(KeepAlive.Finding.TOO_SLOW, keepAlive.look(nowMillis, TIMEOUTS));
        send(new byte[] {'y'});
        assertEquals(KeepAlive.Finding.WELL, keepAlive.look(nowMillis, TIMEOUTS));
        // Whole, with the first bytes of the next one behind it.
        send(Arrays.copyOf(frame, frame.length + 1));
        nowMillis += 1_001;
        assertEquals(KeepAlive.Finding.TOO_SLOW, keepAlive.look(nowMillis, TIMEOUTS));
    }
}
