package dev.llmworker.constraint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.constraint.Expression.ControlToken;
import dev.llmworker.constraint.Expression.Json;
import dev.llmworker.constraint.Expression.Pattern;
import dev.llmworker.constraint.Expression.Repeat;
import dev.llmworker.constraint.Expression.Spacing;
import dev.llmworker.constraint.Expression.TextUntil;
import dev.llmworker.testing.Concurrent;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// A generation's way through its constraint.
@Concurrent
class ConstraintTest {
    private static final TokenTrie TRIE = TestVocabulary.trie();
    private static final String SCHEMA =
            "{\"type\":\"object\",\"properties\":{\"name\":{\"enum\":[\"red\",\"green\"]}},\"required\":[\"name\"],\"additionalProperties\":false}";

    private static ConstraintState begin(Expression expression) {
        return new Constraint(expression, TRIE).begin();
    }

    private static void advance(ConstraintState state, String text) {
        for (var id : TestVocabulary.bytes(text)) {
            assertTrue(state.advance(id), text);
        }
    }

    /// All parts of a constraint spend from the same steps.
    @Test
    void manyCheapExpressionsTogetherTakeTooManySteps() {
        var costly = "(a|b)*a(a|b){9}";
        var one = new Pattern(costly);
        new Constraint(one, TRIE);
        var many = IntStream.range(0, 400)
                .<Expression>mapToObj(i -> Expression.sequence(Expression.literal(i + ":"), new Pattern(costly)))
                .toList();
        var e = assertThrows(ConstraintException.class, () -> new Constraint(new Expression.Choice(many), TRIE));
        assertTrue(e.getMessage().contains("steps to compile"), e.getMessage());
        var schemas = IntStream.range(0, 400)
                .<Expression>mapToObj(i -> Expression.sequence(
                        Expression.literal(i + ":"),
                        new Json("{\"type\":\"string\",\"title\":\"" + i + "\",\"pattern\":\"^" + costly + "$\"}")))
                .toList();
        var other = assertThrows(ConstraintException.class, () -> new Constraint(new Expression.Choice(schemas), TRIE));
        assertTrue(other.getMessage().contains("steps to compile"), other.getMessage());
    }

    @Test
    void aListingHasItsItemsInOrderAndASeparatorBetweenThem() {
        for (var required = 0; required < 8; required++) {
            var items = new ArrayList<Expression.Listing.Item>();
            for (var i = 0; i < 3; i++) {
                items.add(new Expression.Listing.Item(Expression.literal(String.valueOf(i)), (required >> i & 1) == 1));
            }
            var constraint = new Constraint(new Expression.Listing(",", items), TRIE);
            for (var chosen = 0; chosen < 8; chosen++) {
                var set = chosen;
                var text = IntStream.range(0, 3)
                        .filter(i -> (set >> i & 1) == 1)
                        .mapToObj(String::valueOf)
                        .collect(Collectors.joining(","));
                var state = constraint.begin(Expression.literal(text));
                assertEquals((set & required) == required, state != null && state.isComplete(), text);
            }
            for (var wrong : List.of(",", "0,", "01", ",0", "1,0", "0,,1", "0,0")) {
                var state = constraint.begin(Expression.literal(wrong));
                assertFalse(state != null && state.isComplete(), wrong);
            }
        }
    }

    @Test
    void anAnswerEndsExactlyIfItIsComplete() {
        var state = begin(Expression.choice(List.of("a", "ab")));
        assertFalse(state.isComplete());
        assertFalse(state.advance(TestVocabulary.END));
        advance(state, "a");
        assertTrue(state.isComplete());
        assertFalse(state.isFinished());
        assertTrue(TestVocabulary.has(state.mask(), TestVocabulary.END));
        var other = state.copy();
        advance(other, "b");
        assertTrue(other.isFinished());
        assertTrue(state.advance(TestVocabulary.END));
        assertTrue(state.isFinished());
        assertFalse(state.advance(2 + 'b'));
        assertThrows(IllegalStateException.class, state::mask);
    }

    @Test
    void aRejectedTokenChangesNothing() {
        var state = begin(new Json(SCHEMA));
        advance(state, "{\"na");
        var mask = state.mask();
        assertFalse(state.advance(2 + 'x'));
        assertArrayEquals(mask, state.mask());
        assertThrows(IllegalArgumentException.class, () -> state.advance(TRIE.size()));
    }

    @Test
    void controlTokensAreAllowedIfTheyAreNamed() {
        var call = begin(Expression.sequence(
                Expression.optional(new ControlToken(TestVocabulary.CONTROL)), Expression.literal("call")));
        assertTrue(TestVocabulary.has(call.mask(), TestVocabulary.CONTROL));
        assertTrue(call.advance(TestVocabulary.CONTROL));
        assertFalse(TestVocabulary.has(call.mask(), TestVocabulary.CONTROL));
        advance(call, "call");
        var text = begin(new TextUntil("</x>"));
        assertFalse(TestVocabulary.has(text.mask(), TestVocabulary.CONTROL));
        assertFalse(text.advance(TestVocabulary.CONTROL));
        // A byte alone is never taken for the beginning of a control token.
        assertFalse(TestVocabulary.has(call.mask(), 2 + 0xFF));
    }

    @Test
    void anEndTokenThatTheFormatNamesIsPartOfIt() {
        var state = begin(Expression.sequence(new ControlToken(TestVocabulary.END), Expression.literal("a")));
        assertTrue(state.advance(TestVocabulary.END));
        assertFalse(state.isFinished());
        advance(state, "a");
        assertTrue(state.advance(TestVocabulary.END));
        assertTrue(state.isFinished());
    }

    @Test
    void textEndsWithTheFirstEnd() {
        for (var text : new String[] {"aab", "xaab", "aaab", "a\n\"aab", "abaab"}) {
            assertTrue(TestVocabulary.accepts(new Constraint(new TextUntil("aab"), TRIE), text), text);
        }
        for (var text : new String[] {"", "aa", "aabx", "aabaab"}) {
            assertFalse(TestVocabulary.accepts(new Constraint(new TextUntil("aab"), TRIE), text), text);
        }
    }

    @Test
    void repeatsAreCounted() {
        var body = Expression.sequence(Expression.literal("a"), Expression.optional(Expression.literal("b")));
        var constraint = new Constraint(new Repeat(body, 2, 3), TRIE);
        for (var text : new String[] {"aa", "aba", "ababab", "aaa"}) {
            assertTrue(TestVocabulary.accepts(constraint, text), text);
        }
        for (var text : new String[] {"", "a", "aaaa", "bb"}) {
            assertFalse(TestVocabulary.accepts(constraint, text), text);
        }
        var some = new Constraint(new Repeat(new Pattern("x*"), 0, Integer.MAX_VALUE), TRIE);
        assertTrue(TestVocabulary.accepts(some, ""));
        assertTrue(TestVocabulary.accepts(some, "xxx"));
        assertThrows(IllegalArgumentException.class, () -> new Constraint(new Repeat(new Pattern("x*"), 1, 2), TRIE));
    }

    /// A call as many models write it, with a choice of tools, each with its own arguments.
    @Test
    void aFormatOfToolCallsIsPutTogether() {
        var search = tool(
                "search",
                "{\"type\":\"object\",\"properties\":{\"q\":{\"type\":\"string\"}},\"required\":[\"q\"],\"additionalProperties\":false}");
        var stop = tool("stop", "{\"type\":\"object\",\"additionalProperties\":false}");
        var constraint = new Constraint(new Repeat(Expression.choice(search, stop), 1, 2), TRIE);
        var calls = "<tool_call>\n{\"name\": \"search\", \"arguments\": {\"q\": \"x\"}}\n</tool_call>"
                + "<tool_call>\n{\"name\": \"stop\", \"arguments\": {}}\n</tool_call>";
        assertTrue(TestVocabulary.accepts(constraint, calls));
        assertFalse(TestVocabulary.accepts(constraint, calls.replace("stop", "halt")));
        assertFalse(TestVocabulary.accepts(constraint, calls.replace("{}", "{\"q\":\"x\"}")));
    }

    private static Expression tool(String name, String schema) {
        return Expression.sequence(
                Expression.literal("<tool_call>\n{\"name\": \"" + name + "\", \"arguments\": "),
                new Json(schema),
                Expression.literal("}\n</tool_call>"));
    }

    @Test
    void constraintsAreKeptWhileThereIsRoom() {
        var roomy = new Constraints(TRIE, Long.MAX_VALUE);
        assertSame(roomy.get(new Json(SCHEMA)), roomy.get(new Json(SCHEMA)));
        assertNotSame(roomy.get(new Json(SCHEMA)), roomy.get(new Json(SCHEMA, Spacing.NONE)));
        var small = new Constraints(TRIE, 1);
        var first = small.get(new Json(SCHEMA));
        small.get(Expression.jsonObject());
        assertEquals(1, small.size());
        assertNotSame(first, small.get(new Json(SCHEMA)));
        assertThrows(ConstraintException.class, () -> small.get(new Pattern("(")));
    }

    @Test
    void theKeysAndTheNumberOfConstraintsAreBounded() {
        var short_ = new Constraint(new Json("{\"type\":\"null\"}"), TRIE).bytes();
        var long_ = new Constraint(new Json("{\"type\":\"null\"" + " ".repeat(100_000) + "}"), TRIE).bytes();
        assertEquals(200_000, long_ - short_);
        var many = new Constraints(TRIE, Long.MAX_VALUE);
        for (var i = 0; i < Limits.KEPT_CONSTRAINTS + 10; i++) {
            many.get(Expression.literal("a" + i));
        }
        assertEquals(Limits.KEPT_CONSTRAINTS, many.size());
    }

    @Test
    @Timeout(20)
    void requestsThatWaitForTheSameConstraintCompileItOnce() throws Exception {
        var compiled = new AtomicInteger();
        var atOnce = new AtomicInteger();
        var begun = new CountDownLatch(4);
        var constraints = new Constraints(
                expression -> {
                    assertEquals(1, atOnce.incrementAndGet());
                    compiled.incrementAndGet();
                    try {
                        begun.await();
                    } catch (InterruptedException e) {
                        throw new AssertionError(e);
                    }
                    atOnce.decrementAndGet();
                    return new Constraint(expression, TRIE);
                },
                Long.MAX_VALUE);
        try (var threads = Executors.newFixedThreadPool(4)) {
            var results = new ArrayList<Future<Constraint>>();
            for (var i = 0; i < 4; i++) {
                var text = i < 3 ? "a" : "b";
                results.add(threads.submit(() -> {
                    begun.countDown();
                    return constraints.get(Expression.literal(text));
                }));
            }
            for (var result : results) {
                result.get();
            }
        }
        assertEquals(2, compiled.get());
    }

    @Test
    void whoWaitsForAnotherConstraintCanBeInterrupted() {
        Thread.currentThread().interrupt();
        try {
            var constraints = new Constraints(TRIE, Long.MAX_VALUE);
            assertThrows(CancellationException.class, () -> constraints.get(Expression.literal("a")));
            assertThrows(CancellationException.class, () -> constraints.firstFaulty(List.of()));
            assertTrue(Thread.currentThread().isInterrupted());
        } finally {
            Thread.interrupted();
        }
    }

    /// A generation begins even while another one computes a mask of the same constraint.
    @Test
    @Timeout(20)
    void theFirstMaskWaitsForNoOther() throws Exception {
        var constraint = new Constraint(new Json(SCHEMA), TRIE);
        try (var threads = Executors.newSingleThreadExecutor()) {
            long[] mask;
            synchronized (constraint.automaton) {
                mask = threads.submit(() -> constraint.begin().mask()).get();
            }
            assertTrue(TestVocabulary.has(mask, 2 + '{'));
            assertArrayEquals(mask, constraint.begin().mask());
        }
    }

    @Test
    void aFormatWithoutAFirstTokenIsRejected() {
        var tokens = TestVocabulary.trie(List.of(new byte[0], new byte[0], new byte[] {'a'}));
        assertThrows(ConstraintException.class, () -> new Constraint(Expression.literal("b"), tokens));
    }

    /// Each token of two letters leads to a state of its own, because each `a` may be the one that counts.
    @Test
    @Timeout(20)
    void theStepsAndTheMemoryOfOneMaskAreBounded() {
        var texts = new ArrayList<byte[]>(List.of(new byte[0], new byte[0]));
        for (var i = 1 << 15; i < 1 << 16; i++) {
            var letters = Integer.toBinaryString(i).replace('0', 'b').replace('1', 'a');
            texts.add(letters.getBytes(StandardCharsets.UTF_8));
        }
        var trie = TestVocabulary.trie(texts);
        var wide = Expression.sequence(new Pattern("[ab]*"), new Pattern("a[ab]{20}"));
        var steps = assertThrows(ConstraintException.class, () -> new Constraint(wide, trie));
        assertTrue(steps.getMessage().contains("100000 steps"), steps.getMessage());
        var bytes = assertThrows(ConstraintException.class, () -> new Constraint(wide, trie, 0, Integer.MAX_VALUE));
        assertTrue(bytes.getMessage().contains("bytes for one token"), bytes.getMessage());
    }

    @Test
    void theMemoryOfAConstraintIsBounded() {
        var constraint = new Constraint(
                new Json("{\"type\":\"string\",\"maxLength\":1000000}"), TRIE, 1 << 20, Integer.MAX_VALUE);
        var state = constraint.begin();
        advance(state, "\"");
        for (var i = 0; i < 5000; i++) {
            state.mask();
            advance(state, "é");
            assertTrue(constraint.bytes() < 2 << 20, () -> "took " + constraint.bytes());
        }
    }

    @Test
    void theTimeOfAMaskIsBounded() {
        var state = new Constraint(Expression.jsonObject(), TRIE, Long.MAX_VALUE, 100).begin();
        advance(state, "{\"a\":");
        var e = assertThrows(ConstraintException.class, state::mask);
        assertTrue(e.getMessage().contains("100 steps for one token"), e.getMessage());
        // It is no lasting failure: what has been found is kept.
        var mask = Optional.<long[]>empty();
        for (var i = 0; i < 1000 && mask.isEmpty(); i++) {
            try {
                mask = Optional.of(state.mask());
            } catch (ConstraintException _) {
                // Further next time.
            }
        }
        assertTrue(TestVocabulary.has(mask.orElseThrow(), 2 + '['));
    }

    @Test
    void generationsShareAConstraint() throws Exception {
        var constraint = new Constraint(Expression.jsonObject(), TRIE, 1 << 16, Integer.MAX_VALUE);
        var expected = masks(constraint);
        try (var threads = Executors.newFixedThreadPool(4)) {
            var results = new ArrayList<Future<List<long[]>>>();
            IntStream.range(0, 8).forEach(_ -> results.add(threads.submit(() -> masks(constraint))));
            for (var result : results) {
                assertArrayEquals(expected.toArray(), result.get().toArray());
            }
        }
    }

    private static List<long[]> masks(Constraint constraint) {
        var state = constraint.begin();
        var found = new ArrayList<long[]>();
        for (var id : TestVocabulary.bytes("{\"a\":[1,2.5,{\"é\":\"\\u00e9x\"}],\"b\":null}")) {
            found.add(state.mask());
            assertTrue(state.advance(id));
        }
        return found;
    }

    /// A vocabulary without the byte that must follow.
    @Test
    void anAnswerThatCannotGoOnIsAnException() {
        var tokens = TestVocabulary.trie(List.of(new byte[0], new byte[0], new byte[] {'a'}));
        var state = new Constraint(Expression.literal("ab"), tokens).begin();
        assertTrue(state.advance(2));
        assertThrows(ConstraintException.class, state::mask);
    }

    /// Each argument of a tool is about a part of the same schema.
    @Test
    void aTextThatIsInManyPartsCountsOnce() {
        var schema = "{\"title\":\"" + "x".repeat(100_000) + "\"}";
        var parts = IntStream.range(0, 200)
                .<Expression>mapToObj(_ -> new Json(schema, new Expression.Notation.Plain(Spacing.LIMITED), "#"))
                .toList();
        assertEquals(schema.length(), new Expression.Sequence(parts).characters());
    }

    /// To find it, they would otherwise be compiled one after the other, each with all the steps of a constraint.
    @Test
    void theFirstFaultyOfManyIsLookedForWithinTheStepsOfOne() {
        var faulty = new Json("{\"not\":{}}");
        var cheap = new Json(SCHEMA);
        assertEquals(OptionalInt.of(2), ExpressionCompiler.firstFaulty(List.of(cheap, cheap, faulty, cheap)));
        assertEquals(OptionalInt.empty(), ExpressionCompiler.firstFaulty(List.of(cheap, cheap)));
        var many = new ArrayList<Expression>();
        for (var i = 0; i < 400; i++) {
            many.add(new Pattern("(a|b)*a(a|b){9}"));
        }
        many.add(faulty);
        assertEquals(OptionalInt.empty(), ExpressionCompiler.firstFaulty(many));
    }
}
