package dev.llmworker.testing;

import static org.junit.jupiter.api.Assertions.assertNotNull;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.net.URI;
import java.net.http.WebSocket;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// A WebSocket client that keeps what it gets.
public final class TestSocket implements AutoCloseable {
    public static final int TIMEOUT_SECONDS = 150;
    private static final ObjectMapper JSON = new ObjectMapper();

    private final BlockingQueue<String> frames = new LinkedBlockingQueue<>();
    private final CompletableFuture<Integer> closeCode = new CompletableFuture<>();
    private final WebSocket socket;

    private TestSocket(URI uri) {
        socket = RunningWorker.HTTP
                .newWebSocketBuilder()
                .buildAsync(uri, new Listener())
                .join();
    }

    public static TestSocket connect(URI uri) {
        return new TestSocket(uri);
    }

    public TestSocket send(String text) {
        socket.sendText(text, true).join();
        return this;
    }

    public TestSocket sendBinary(byte[] bytes) {
        socket.sendBinary(ByteBuffer.wrap(bytes), true).join();
        return this;
    }

    /// The next frame as it came.
    public String next() throws InterruptedException {
        var frame = frames.poll(TIMEOUT_SECONDS, TimeUnit.SECONDS);
        assertNotNull(frame, "no frame came");
        return frame;
    }

    /// All frames of one answer, the one that ends it included.
    public List<JsonNode> answer() throws Exception {
        var answer = new ArrayList<JsonNode>();
        do {
            answer.add(JSON.readTree(next()));
        } while (answer.getLast().has("token"));
        return answer;
    }

    public static String text(List<JsonNode> answer) {
        var text = new StringBuilder();
        answer.forEach(frame -> text.append(frame.path("token").asText()));
        return text.toString();
    }

    public int closeCode() throws Exception {
        return closeCode.get(TIMEOUT_SECONDS, TimeUnit.SECONDS);
    }

    @Override
    public void close() {
        socket.abort();
    }

    private final class Listener implements WebSocket.Listener {
        private final StringBuilder partial = new StringBuilder();

        @Override
        public @Nullable CompletionStage<?> onText(WebSocket webSocket, CharSequence data, boolean last) {
            partial.append(data);
            if (last) {
                frames.add(partial.toString());
                partial.setLength(0);
            }
            webSocket.request(1);
            return null;
        }

        @Override
        public @Nullable CompletionStage<?> onClose(WebSocket webSocket, int statusCode, String reason) {
            closeCode.complete(statusCode);
            return null;
        }

        @Override
        public void onError(WebSocket webSocket, Throwable error) {
            closeCode.completeExceptionally(error);
        }
    }
}
