package dev.llmworker.constraint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.constraint.Expression.Json;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.testing.Seeded;
import dev.llmworker.testing.Seeds;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import org.junit.jupiter.api.Test;

/// A token is in a mask exactly if its bytes may follow.
@Concurrent
class MaskTest {
    private static final List<byte[]> TOKENS = TestVocabulary.tokens();
    private static final TokenTrie TRIE = TestVocabulary.trie();

    @Seeded
    @Test
    void masksAreThoseOfTheReference() {
        var random = Seeds.random();
        for (var round = 0; round < Seeds.rounds(1); round++) {
            for (var schema : SchemaCases.schemas()) {
                compare(new Json(schema), random);
            }
        }
    }

    @Seeded
    @Test
    void masksOfRandomSchemasAreThoseOfTheReference() {
        var random = Seeds.random();
        for (var round = 0; round < Seeds.rounds(60); round++) {
            var schema = new Json(new RandomSchema(random).schema().toString());
            try {
                ExpressionCompiler.compile(schema);
            } catch (ConstraintException e) {
                assertTrue(e.getMessage().contains("allows no value"), e.getMessage());
                continue;
            }
            compare(schema, random);
        }
    }

    @Seeded
    @Test
    void masksOfFormatsAreThoseOfTheReference() {
        var random = Seeds.random();
        var call = Expression.sequence(
                new Expression.ControlToken(TestVocabulary.CONTROL),
                Expression.literal("{\"name\": \""),
                Expression.choice(List.of("red", "re", "rename")),
                Expression.literal("\", \"arguments\": "),
                new Json("{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"}}}"),
                Expression.literal("}"));
        for (var round = 0; round < Seeds.rounds(5); round++) {
            compare(new Expression.Repeat(call, 1, 3), random);
            compare(Expression.sequence(new Expression.TextUntil("aab"), Expression.optional(call)), random);
            compare(new Expression.Pattern("(a|b|é)*(x|😀{2,3})"), random);
        }
    }

    /// Walks along random tokens and compares the mask at each.
    private static void compare(Expression expression, Random random) {
        var grammar = ExpressionCompiler.compile(expression);
        var constraint = new Constraint(expression, TRIE);
        for (var walk = 0; walk < 2; walk++) {
            var reference = new ReferenceAcceptor(grammar);
            var state = constraint.begin();
            for (var step = 0; step < 12; step++) {
                var mask = state.mask();
                for (var id = 0; id < TOKENS.size(); id++) {
                    assertEquals(
                            isAllowed(reference, id),
                            TestVocabulary.has(mask, id),
                            "token " + id + " of " + expression);
                }
                assertEquals(reference.accepts(), state.isComplete());
                var chosen = new RandomWalk(TRIE, random, 0, 0).choose(mask, random.nextInt(3) == 0);
                if (chosen == TestVocabulary.END) {
                    break;
                }
                assertTrue(state.advance(chosen));
                reference = Objects.requireNonNull(reference.after(TRIE.bytes(chosen)));
            }
        }
    }

    private static boolean isAllowed(ReferenceAcceptor reference, int id) {
        if (id == TestVocabulary.END) {
            return reference.accepts();
        }
        var bytes = TRIE.bytes(id);
        return bytes.length > 0 && reference.after(bytes) != null;
    }

    /// A constraint that forgets its states at once has the same masks.
    @Test
    void forgottenStatesComeBack() {
        for (var schema : SchemaCases.schemas()) {
            var keeps = new Constraint(new Json(schema), TRIE);
            var forgets = new Constraint(new Json(schema), TRIE, 0, Integer.MAX_VALUE);
            var random = new Random(1);
            var first = keeps.begin();
            var second = forgets.begin();
            for (var step = 0; step < 20; step++) {
                var mask = first.mask();
                assertArrayEquals(mask, second.mask(), schema);
                var chosen = new RandomWalk(TRIE, random, 0, 0).choose(mask, random.nextInt(3) == 0);
                assertTrue(first.advance(chosen));
                assertTrue(second.advance(chosen));
                if (first.isFinished()) {
                    break;
                }
            }
        }
    }
}
