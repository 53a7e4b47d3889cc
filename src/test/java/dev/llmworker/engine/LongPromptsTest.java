package dev.llmworker.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.AnswerFormat;
import dev.llmworker.generation.AnswerParts;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.Generation;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.GenerationEvent.Finished;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.HeldMemory;
import dev.llmworker.generation.Prompt;
import dev.llmworker.generation.Readiness;
import dev.llmworker.generation.RefusedException;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.stats.EngineStats;
import dev.llmworker.testing.Await;
import dev.llmworker.text.Tokenizer;
import dev.llmworker.text.chat.ChatMessage;
import dev.llmworker.text.chat.ChatTemplate;
import dev.llmworker.text.chat.PromptEncoder;
import dev.llmworker.text.chat.Tool;
import dev.llmworker.text.chat.ToolCall;
import dev.llmworker.text.chat.ToolChoice;
import dev.llmworker.text.chat.ToolUse;
import java.lang.ref.WeakReference;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.concurrent.CancellationException;
import java.util.concurrent.Future;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(180)
class LongPromptsTest {
    private static final String LONG = "x".repeat(LongPrompts.LONG_CHARACTERS);
    private static final RefusedException REFUSAL =
            new RefusedException(RefusedException.Reason.INVALID, "context_exceeded", "too long");

    private static final Duration MINUTE = Duration.ofMinutes(1);

    private final Semaphore begun = new Semaphore(0);
    private final Semaphore goOn = new Semaphore(0);

    private Sequence held() {
        begun.release();
        goOn.acquireUninterruptibly();
        throw REFUSAL;
    }

    private static GenerationEvent onlyEvent(Generation generation) {
        var events = new ArrayList<GenerationEvent>();
        generation.forEach(events::add);
        assertEquals(1, events.size());
        return events.getFirst();
    }

    @Test
    void oneIsEncodedAtATimeAndWhoLeavesBeforeItsTurnIsNot() throws Exception {
        try (var prompts = new LongPrompts(1, null)) {
            var first = prompts.encode(this::held, MINUTE);
            begun.acquire();
            var encoded = new AtomicBoolean();
            var second = prompts.encode(
                    () -> {
                        encoded.set(true);
                        throw REFUSAL;
                    },
                    MINUTE);
            var third = prompts.encode(this::held, MINUTE);
            assertFalse(begun.tryAcquire());
            second.close();
            second.awaitAccepted();
            assertEquals(new Finished(FinishReason.CANCELLED, 0, 0), onlyEvent(second));
            goOn.release(2);
            assertEquals(
                    "too long",
                    assertThrows(RefusedException.class, first::awaitAccepted).getMessage());
            assertThrows(RefusedException.class, third::awaitAccepted);
            assertFalse(encoded.get());
        }
    }

    @Test
    void noMoreWaitThanTheLimit() throws Exception {
        var waiting = new ArrayList<Generation>();
        try (var prompts = new LongPrompts(1, null)) {
            waiting.add(prompts.encode(this::held, MINUTE));
            begun.acquire();
            for (var i = 0; i < LongPrompts.MAX_WAITING; i++) {
                waiting.add(prompts.encode(this::held, MINUTE));
            }
            var refused = assertThrows(RefusedException.class, () -> prompts.encode(this::held, MINUTE));
            assertEquals(RefusedException.Reason.OVERLOADED, refused.reason());
            assertEquals("queue_full", refused.code());
            // Who leaves makes room.
            waiting.getLast().close();
            waiting.add(prompts.encode(this::held, MINUTE));
        }
        // Nobody waits for ever where the engine is closed.
        goOn.release(waiting.size());
        for (var generation : waiting.subList(1, waiting.size())) {
            generation.awaitAccepted();
            assertEquals(new Finished(FinishReason.CANCELLED, 0, 0), onlyEvent(generation));
        }
    }

    /// A prompt that is only counted waits with those that are answered.
    @Test
    void aPromptThatIsOnlyEncodedKeepsToTheLimitAndMakesRoomWhenItIsCancelled() throws Exception {
        var waiting = new ArrayList<Future<?>>();
        var interrupted = new Semaphore(0);
        try (var prompts = new LongPrompts(1, null)) {
            var running = prompts.submit(() -> {
                begun.release();
                try {
                    return goOn.tryAcquire(1, TimeUnit.MINUTES);
                } catch (InterruptedException e) {
                    interrupted.release();
                    throw e;
                }
            });
            begun.acquire();
            for (var i = 0; i < LongPrompts.MAX_WAITING; i++) {
                waiting.add(prompts.submit(() -> 7));
            }
            var refused = assertThrows(RefusedException.class, () -> prompts.submit(() -> 7));
            assertEquals("queue_full", refused.code());
            assertTrue(waiting.removeLast().cancel(true));
            waiting.add(prompts.submit(() -> 7));
            running.cancel(true);
            interrupted.acquire();
            assertEquals(7, waiting.getFirst().get());
            assertEquals(7, waiting.getLast().get());
            waiting.add(prompts.submit(() -> goOn.tryAcquire(1, TimeUnit.MINUTES)));
            waiting.add(prompts.submit(() -> 7));
        }
        // Nobody waits for ever where the engine is closed.
        assertThrows(CancellationException.class, () -> waiting.getLast().get());
    }

    /// Encodes at once, and compiles as long as the test likes.
    private final class Uncompiled implements LongPrompt.Encoding {
        @Override
        public @Nullable Sequence encode() {
            return null;
        }

        @Override
        public Sequence compile() {
            return held();
        }

        @Override
        public long heldBytes() {
            return 400;
        }
    }

    @Test
    void aPromptWhoseFormatsAreCompiledWaitsForNoneWhoseAreNot() throws Exception {
        var held = new AtomicLong();
        var memory = new HeldMemory() {
            @Override
            public void take(long bytes) {
                held.addAndGet(bytes);
            }

            @Override
            public void add(long bytes) {
                held.addAndGet(bytes);
            }
        };
        try (var compilers = LongPrompts.formats();
                var prompts = LongPrompts.conversations(compilers)) {
            var slow = new ArrayList<Generation>();
            for (var i = 0; i < 20; i++) {
                slow.add(prompts.encode(new Uncompiled(), MINUTE));
                slow.getLast().countIn(memory);
            }
            Await.until("all are encoded", () -> compilers.underWay() == 20);
            begun.acquire();
            var known = prompts.encode(LongPromptsTest::refused, MINUTE);
            assertEquals(
                    "too long",
                    assertThrows(RefusedException.class, known::awaitAccepted).getMessage());
            // They wait with their tokens, and one is compiled at a time.
            assertEquals(20 * 400, held.get());
            assertFalse(begun.tryAcquire());
            slow.removeLast().close();
            Await.until("it makes room", () -> compilers.underWay() == 19);
            goOn.release(19);
            for (var prompt : slow) {
                assertThrows(RefusedException.class, prompt::awaitAccepted);
            }
        }
    }

    private static Sequence refused() {
        throw REFUSAL;
    }

    @Test
    void noMoreWaitForTheCompilerThanTheLimitAndNobodyWaitsForEver() throws Exception {
        var compilers = LongPrompts.formats();
        var waiting = new ArrayList<Generation>();
        try (var prompts = new LongPrompts(1, compilers)) {
            waiting.add(prompts.encode(new Uncompiled(), MINUTE));
            begun.acquire();
            while (compilers.underWay() <= LongPrompts.MAX_OTHERS_WAITING) {
                var prompt = prompts.encode(new Uncompiled(), MINUTE);
                waiting.add(prompt);
                Await.until("it is encoded", () -> prompts.underWay() == 0);
            }
            var refused = prompts.encode(new Uncompiled(), MINUTE);
            assertEquals(
                    "queue_full",
                    assertThrows(RefusedException.class, refused::awaitAccepted).code());
            compilers.close();
            goOn.release();
            for (var prompt : waiting.subList(1, waiting.size())) {
                prompt.awaitAccepted();
                assertEquals(new Finished(FinishReason.CANCELLED, 0, 0), onlyEvent(prompt));
            }
        }
    }

    @Test
    void aFailureIsNoRefusal() {
        try (var prompts = new LongPrompts(1, null)) {
            var generation = prompts.encode(
                    () -> {
                        throw new OutOfMemoryError("of a test");
                    },
                    MINUTE);
            assertThrows(IllegalStateException.class, generation::awaitAccepted);
        }
    }

    @Test
    void callsInTheHistoryAndToolsMakeAPromptLong() {
        var text = "x".repeat(LongPrompts.LONG_CHARACTERS);
        var call = new ToolCall("1", "f", "{\"a\":\"" + text + "\"}");
        assertTrue(LongPrompts.isLong(request(List.of(ChatMessage.assistant("", "", List.of(call))), ToolUse.NONE)));
        var tools = new ToolUse(List.of(new Tool("f", text)), ToolChoice.AUTO, true);
        assertTrue(LongPrompts.isLong(request(List.of(ChatMessage.user("hi")), tools)));
        assertFalse(LongPrompts.isLong(request(List.of(ChatMessage.user("hi")), ToolUse.NONE)));
    }

    private static GenerationRequest request(List<ChatMessage> messages, ToolUse tools) {
        return new GenerationRequest(new Prompt.Chat(messages), OptionalInt.empty(), SamplingParameters.greedy(), false)
                .withParts(new AnswerParts(tools, OptionalInt.empty()));
    }

    private InProcessGenerator engine(FakeDecoder decoder) {
        var tokenizer = new LetterTokenizer() {
            @Override
            public int[] encodeText(String text) {
                if (text.length() >= LongPrompts.LONG_CHARACTERS) {
                    begun.release();
                    goOn.acquireUninterruptibly();
                }
                return super.encodeText(text);
            }
        };
        return engine(decoder, tokenizer, null);
    }

    private static InProcessGenerator engine(
            FakeDecoder decoder, Tokenizer tokenizer, @Nullable ChatTemplate template) {
        var generator = InProcessGenerator.start(
                () -> new LanguageModel(decoder, tokenizer, new PromptEncoder(tokenizer, template)),
                new InProcessGenerator.Limits(null, Duration.ofMinutes(1)),
                System::nanoTime,
                new EngineStats(),
                _ -> {});
        Await.until("the model is loaded", () -> !(generator.readiness() instanceof Readiness.Loading));
        return generator;
    }

    private static GenerationRequest request(String prompt) {
        return new GenerationRequest(new Prompt.Raw(prompt), OptionalInt.of(3), SamplingParameters.greedy(), true);
    }

    private static Finished end(Generation generation) {
        var events = new ArrayList<GenerationEvent>();
        generation.forEach(events::add);
        return (Finished) events.getLast();
    }

    @Test
    void aLongPromptThatIsBeingReadHoldsUpNobodyAndItsClientMayLeave() throws Exception {
        try (var generator = engine(new FakeDecoder(2, 2 * LONG.length()))) {
            var left = generator.submit(request(LONG));
            var stays = generator.submit(request(LONG));
            begun.acquire();
            assertEquals(
                    FinishReason.LENGTH, end(generator.submit(request("hello"))).reason());
            left.close();
            assertEquals(new Finished(FinishReason.CANCELLED, 0, 0), end(left));
            goOn.release(2);
            stays.awaitAccepted();
            assertEquals(new Finished(FinishReason.LENGTH, LONG.length(), 3), end(stays));
            assertTrue(generator.submit(request("hello")).iterator().hasNext());
        }
    }

    @Test
    void aLongPromptIsRefusedAsAShortOneIs() throws Exception {
        try (var generator = engine(new FakeDecoder(1, LONG.length()))) {
            goOn.release();
            var generation = generator.submit(request(LONG));
            var refused = assertThrows(RefusedException.class, generation::awaitAccepted);
            assertEquals("context_exceeded", refused.code());
            assertEquals(
                    "prompt is 4096 tokens; this model's context is 4096 tokens, which must hold the prompt and the answer",
                    refused.getMessage());
        }
    }

    @Test
    void theTokensOfAPromptCountAndNeedRoom() {
        var counted = new ArrayList<Long>();
        var full = new HeldMemory() {
            @Override
            public void take(long bytes) {
                counted.add(bytes);
                throw new RefusedException(RefusedException.Reason.OVERLOADED, "out_of_memory_budget", "no room");
            }

            @Override
            public void add(long bytes) {}
        };
        try (var generator = engine(new FakeDecoder(1, 2 * LONG.length()))) {
            for (var prompt : List.of("hello", LONG)) {
                goOn.release();
                try (var generation = generator.submit(request(prompt))) {
                    var refused = assertThrows(RefusedException.class, () -> {
                        generation.countIn(full);
                        generation.awaitAccepted();
                    });
                    assertEquals("out_of_memory_budget", refused.code());
                    assertEquals((long) prompt.length() * Integer.BYTES, counted.removeLast());
                }
                Await.until("it is gone", () -> generator.underWay() == 0);
            }
        }
    }

    /// Encoding that only an interrupt ends.
    private static Sequence endless() {
        while (!Thread.currentThread().isInterrupted()) {
            Thread.onSpinWait();
        }
        throw REFUSAL;
    }

    @Test
    void encodingEndsWhenTheClientLeavesOrTheDeadlinePasses() {
        try (var prompts = new LongPrompts(1, null)) {
            var left = prompts.encode(LongPromptsTest::endless, MINUTE);
            left.close();
            assertEquals(new Finished(FinishReason.CANCELLED, 0, 0), onlyEvent(left));
            var late = prompts.encode(LongPromptsTest::endless, Duration.ofMillis(50));
            late.awaitAccepted();
            assertEquals(new Finished(FinishReason.TIMEOUT, 0, 0), onlyEvent(late));
            // The thread is free again, and is not interrupted any more.
            var interrupted = new AtomicBoolean();
            var next = prompts.encode(
                    () -> {
                        interrupted.set(Thread.currentThread().isInterrupted());
                        throw REFUSAL;
                    },
                    MINUTE);
            assertThrows(RefusedException.class, next::awaitAccepted);
            assertFalse(interrupted.get());
        }
    }

    /// As many as there are threads for conversations, and some more.
    @Test
    void templatesThatDoNotEndHoldUpOnlyConversations() throws Exception {
        var tokenizer = new LetterTokenizer();
        var template = new ChatTemplate() {
            @Override
            public String render(List<ChatMessage> messages, List<Tool> tools, Map<String, ?> variables) {
                begun.release();
                assertFalse(Thread.currentThread().isVirtual());
                endless();
                return "";
            }
        };
        try (var generator = engine(new FakeDecoder(2, 64), tokenizer, template)) {
            var endless = new ArrayList<Generation>();
            for (var i = 0; i < Runtime.getRuntime().availableProcessors() + 8; i++) {
                endless.add(generator.submit(conversation()));
            }
            begun.acquire();
            assertEquals(
                    FinishReason.LENGTH, end(generator.submit(request("hello"))).reason());
            for (var generation : endless) {
                generation.close();
                assertEquals(new Finished(FinishReason.CANCELLED, 0, 0), end(generation));
            }
        }
    }

    private static GenerationRequest conversation() {
        return new GenerationRequest(
                new Prompt.Chat(List.of(ChatMessage.user("hello"))),
                OptionalInt.of(3),
                SamplingParameters.greedy(),
                true);
    }

    @Test
    void aFormatMakesAPromptLong() {
        var text = "x".repeat(LongPrompts.LONG_CHARACTERS);
        for (var format : List.of(
                new AnswerFormat.Json("f", text),
                new AnswerFormat.Pattern("f", text),
                new AnswerFormat.Choice("f", List.of("a", text)))) {
            assertTrue(LongPrompts.isLong(ending().withFormat(format)), format.toString());
        }
        assertFalse(LongPrompts.isLong(ending().withFormat(AnswerFormat.Json.object("f"))));
    }

    private static GenerationRequest ending() {
        return new GenerationRequest(
                new Prompt.Chat(List.of(ChatMessage.user("hello"))),
                OptionalInt.of(3),
                SamplingParameters.greedy(),
                false);
    }

    /// Formats are compiled one after the other. As many wait here as there are threads for conversations, and more.
    @Test
    void formatsThatTakeLongHoldUpNoOtherRequest() throws Exception {
        var tokenizer = new LetterTokenizer() {
            @Override
            public byte[] bytes(int id) {
                // The tokens are sorted for the first format.
                if (Thread.currentThread().getName().startsWith("formats-")
                        || Thread.currentThread().getName().startsWith("conversations-")) {
                    begun.release();
                    goOn.acquireUninterruptibly();
                }
                return super.bytes(id);
            }
        };
        ChatTemplate template = (_, _, _) -> "hello";
        try (var generator = engine(new FakeDecoder(2, 64), tokenizer, template)) {
            var slow = new ArrayList<Generation>();
            for (var i = 0; i < Runtime.getRuntime().availableProcessors() + 8; i++) {
                slow.add(generator.submit(ending().withFormat(AnswerFormat.Json.object("f"))));
            }
            begun.acquire();
            assertEquals(
                    FinishReason.LENGTH, end(generator.submit(conversation())).reason());
            goOn.release(Integer.MAX_VALUE / 2);
            slow.forEach(Generation::close);
        }
    }

    /// Formats that take long to compile, and are all different.
    @Test
    void aCompiledFormatHoldsUpNobodyBehindOthers() throws Exception {
        try (var generator = engine(new FakeDecoder(2, 64), new LetterTokenizer(), null)) {
            generator.submit(matching("[a-z]{3}")).awaitAccepted();
            var slow = new ArrayList<Generation>();
            for (var i = 1; i <= 60; i++) {
                slow.add(generator.submit(matching("(a|b)*a(a|b){11}c{" + i + "}")));
            }
            var isHalfDone = new AtomicBoolean();
            var waiting = Thread.startVirtualThread(() -> {
                slow.get(slow.size() / 2).awaitAccepted();
                isHalfDone.set(true);
            });
            generator.submit(matching("[a-z]{3}")).awaitAccepted();
            assertFalse(isHalfDone.get());
            slow.forEach(Generation::close);
            waiting.join();
        }
    }

    private static GenerationRequest matching(String regex) {
        return new GenerationRequest(new Prompt.Raw("hello"), OptionalInt.of(3), SamplingParameters.greedy(), false)
                .withFormat(new AnswerFormat.Pattern("regex", regex));
    }

    /// Encodes nothing. Only the test and the prompt hold it.
    private static final class Refused implements LongPrompt.Encoding {
        @Override
        public Sequence encode() {
            throw REFUSAL;
        }
    }

    private static WeakReference<Refused> refused(LongPrompts prompts) {
        var encoding = new Refused();
        assertThrows(RefusedException.class, () -> prompts.encode(encoding, Duration.ofDays(1)));
        return new WeakReference<>(encoding);
    }

    @Test
    void aRefusedPromptIsNotKeptUntilItsDeadline() {
        var prompts = new LongPrompts(1, null);
        prompts.close();
        var encoding = refused(prompts);
        Await.until("nothing holds it", () -> {
            System.gc();
            return encoding.get() == null;
        });
    }
}
