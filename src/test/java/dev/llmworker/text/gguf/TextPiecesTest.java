package dev.llmworker.text.gguf;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.hub.StarterModelFile;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.testing.Seeded;
import dev.llmworker.testing.Seeds;
import dev.llmworker.text.ModelTokenizer;
import dev.llmworker.text.RandomTexts;
import dev.llmworker.text.TextPieces;
import dev.llmworker.text.TinyVocabularies;
import dev.llmworker.weights.Gguf;
import dev.llmworker.weights.content.Metadata;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// A long text is encoded in pieces: its tokens are those of the whole text, and the work ends if nobody waits for it.
@Concurrent
class TextPiecesTest {
    private static final int SMALLEST = 1;
    private static final int WHOLE = Integer.MAX_VALUE;
    private static final int MERGES = 2000;
    private static final String PROSE = "The lighthouse keeper wrote down 17 ships, their flags and the weather.\n";
    private static final Duration AT_WORK = Duration.ofMillis(400);
    private static final Duration SOON = Duration.ofMillis(100);
    private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

    /// The starter model's first merges.
    private static Metadata metadata(String preTokenizer) throws IOException, InterruptedException {
        var model = TinyVocabularies.byteLevel(preTokenizer);
        try (var gguf = Gguf.open(StarterModelFile.path())) {
            for (var merge : gguf.metadata().strings("tokenizer.ggml.merges").subList(0, MERGES)) {
                if (!model.tokens.contains(merge.replace(" ", ""))) {
                    model.merge(merge);
                }
            }
        }
        return model.metadata();
    }

    private static int pieces(ModelTokenizer cut, String text) {
        Thread.currentThread().interrupt();
        try {
            cut.encodeText(text);
            return 1;
        } catch (CancellationException _) {
            return 2;
        } finally {
            var _ = Thread.interrupted();
        }
    }

    @Seeded
    @ParameterizedTest
    @ValueSource(
            strings = {"gpt-2", "default", "smollm", "llama-bpe", "smaug-bpe", "qwen2", "deepseek-r1-qwen", "tekken"})
    void piecesHaveTheTokensOfTheWhole(String preTokenizer) throws Exception {
        var metadata = metadata(preTokenizer);
        var cut = GgufTokenizer.of(metadata, SMALLEST);
        var whole = GgufTokenizer.of(metadata, WHOLE);
        var random = Seeds.random();
        var isCut = 0;
        for (var round = 0; round < Seeds.rounds(150); round++) {
            var text = RandomTexts.next(random, List.of(), 1 + random.nextInt(40));
            assertArrayEquals(whole.encodeText(text), cut.encodeText(text), text);
            assertArrayEquals(whole.encodeWithControlTokens(text), cut.encodeWithControlTokens(text), text);
            isCut += pieces(cut, text) - 1;
        }
        assertTrue(isCut > 70, isCut + " texts are cut");
    }

    @ParameterizedTest
    @ValueSource(strings = {"gpt-2", "llama-bpe", "qwen2", "tekken"})
    void aWordHasALimitAndATextOfWordsHasNone(String preTokenizer) throws Exception {
        var tokenizer = GgufTokenizer.of(metadata(preTokenizer));
        var word = "x".repeat(TextPieces.MOST + 1);
        var refused = assertThrows(IllegalArgumentException.class, () -> tokenizer.encodeText(word));
        assertEquals(
                "prompt has 262145 characters in a row that this model's tokenizer cannot be given in parts; the limit is"
                        + " 262144",
                refused.getMessage());
        assertTrue(tokenizer.encodeText("word ".repeat(TextPieces.MOST / 4)).length > 0);
    }

    @ParameterizedTest
    @ValueSource(strings = {"gpt-2", "llama-bpe", "qwen2", "tekken", "sentence pieces", "one word of sentence pieces"})
    void theWorkEndsSoonAfterTheInterrupt(String kind) throws Exception {
        var tokenizer = kind.endsWith("pieces")
                ? TinyVocabularies.sentencePiece().tokenizer()
                : GgufTokenizer.of(metadata(kind));
        var text = (kind.startsWith("one word") ? "hello" : PROSE).repeat(200_000);
        var ended = new CompletableFuture<Long>();
        var thread = Thread.ofPlatform().start(() -> {
            try {
                tokenizer.encodeText(text);
                ended.completeExceptionally(new AssertionError("encoded it all"));
            } catch (CancellationException _) {
                ended.complete(THREADS.getCurrentThreadCpuTime());
            } catch (Throwable e) {
                ended.completeExceptionally(e);
            }
        });
        // All of the text takes seconds.
        Await.until("it is at work", () -> THREADS.getThreadCpuTime(thread.threadId()) > AT_WORK.toNanos());
        var interrupted = THREADS.getThreadCpuTime(thread.threadId());
        thread.interrupt();
        // Not the time that passes: other processes may have the processor.
        var millis =
                Duration.ofNanos(ended.get(60, TimeUnit.SECONDS) - interrupted).toMillis();
        assertTrue(millis < SOON.toMillis(), millis + " ms");
    }
}
