package dev.llmworker.serving.connection;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.llmworker.serving.memory.MemoryBudget;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.WebSocketFrame;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/// How frames become messages.
class MessageAssemblerTest {
    private static final Duration UNUSED = Duration.ofDays(1);
    private static final Timeouts TIMEOUTS =
            new Timeouts(UNUSED, Duration.ofSeconds(1), UNUSED, UNUSED, Duration.ZERO, UNUSED, UNUSED);
    private static final byte[] CRAB = "🦀".getBytes(StandardCharsets.UTF_8);

    private long nowMillis;
    private final KeepAlive keepAlive = new KeepAlive(() -> nowMillis);
    private final ClosedSocket closed = new ClosedSocket();
    private final List<Object> messages = new ArrayList<>();
    private final MessageAssembler assembler = new MessageAssembler(
            closed.socket()::close, 8, keepAlive, MemoryBudget.unlimited(), (message, _) -> messages.add(message));

    private static Buffer bytes(byte[] of, int from, int to) {
        return Buffer.buffer().appendBytes(of, from, to - from);
    }

    private void text(String text, boolean isFinal) {
        assembler.handle(WebSocketFrame.textFrame(text, isFinal));
    }

    private void more(Buffer data, boolean isFinal) {
        assembler.handle(WebSocketFrame.continuationFrame(data, isFinal));
    }

    @Test
    void aCharacterMayLieAcrossFrames() {
        for (var cut = 0; cut <= CRAB.length; cut++) {
            text("a", false);
            more(bytes(CRAB, 0, cut), false);
            more(bytes(CRAB, cut, CRAB.length), true);
        }
        assertEquals(List.of("a🦀", "a🦀", "a🦀", "a🦀", "a🦀"), messages);
        assertEquals(List.of(), closed.codes);
    }

    @Test
    void binaryStaysBytes() {
        assembler.handle(WebSocketFrame.binaryFrame(Buffer.buffer(new byte[] {-1, 0}), false));
        more(Buffer.buffer(new byte[] {-2}), true);
        assembler.handle(WebSocketFrame.binaryFrame(Buffer.buffer(new byte[] {7}), true));
        assertArrayEquals(new byte[] {-1, 0, -2}, (byte[]) messages.get(0));
        assertArrayEquals(new byte[] {7}, (byte[]) messages.get(1));
    }

    @Test
    void brokenUtf8Is1007AsSoonAsItIsThereAndNothingFollows() {
        text("a", false);
        more(bytes(CRAB, 0, 2), false);
        more(Buffer.buffer("b"), false);
        assertEquals(List.of((short) 1007), closed.codes);
        text("c", true);
        assertEquals(List.of(), messages);
    }

    @Test
    void aCharacterWithoutItsEndIs1007() {
        text("a", false);
        more(bytes(CRAB, 0, 3), true);
        assertEquals(List.of((short) 1007), closed.codes);
        assertEquals(List.of(), messages);
    }

    @Test
    void theLimitIsForTheMessageHoweverManyFramesItHas() {
        text("1234", false);
        more(Buffer.buffer("5678"), true);
        text("1234", false);
        more(Buffer.buffer("56789"), true);
        assertEquals(List.of("12345678"), messages);
        assertEquals(List.of((short) 1009), closed.codes);
    }

    @Test
    void theTimeOfAMessageRunsUntilItsLastFrame() {
        text("a", false);
        nowMillis = 1_001;
        assertEquals(KeepAlive.Finding.TOO_SLOW, keepAlive.look(nowMillis, TIMEOUTS));
        more(Buffer.buffer("b"), true);
        assertEquals(KeepAlive.Finding.WELL, keepAlive.look(nowMillis, TIMEOUTS));
    }
}
