package dev.llmworker.constraint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.testing.Concurrent;
import dev.llmworker.testing.Seeded;
import dev.llmworker.testing.Seeds;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Random;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/// Regular expressions, formats and ranges of numbers as automata.
@Concurrent
class RegexTest {
    private static final String LETTERS = "ab0é";

    private static String text(Random random) {
        var text = new StringBuilder();
        for (var i = random.nextInt(7); i > 0; i--) {
            text.append(LETTERS.charAt(random.nextInt(LETTERS.length())));
        }
        return text.toString();
    }

    /// @param anchors whether `^` and `$` may be there. In Java, a counted group that has matched nothing once matches
    ///     nothing more: `(?:^|a){2}` does not match `a`
    private static String pattern(Random random, int depth, boolean anchors) {
        return switch (random.nextInt(depth > 3 ? 4 : 10)) {
            case 0, 1 -> LETTERS.substring(random.nextInt(4)).substring(0, 1);
            case 2 ->
                List.of(".", "[ab]", "[^a]", "\\d", "\\w", "[a-b0]", "\\u00e9", "[^b\\d]")
                        .get(random.nextInt(8));
            case 3 -> anchors && random.nextInt(4) == 0 ? List.of("^", "$").get(random.nextInt(2)) : "a";
            case 4, 5 -> pattern(random, depth + 1, anchors) + pattern(random, depth + 1, anchors);
            case 6 -> "(?:" + pattern(random, depth + 1, anchors) + "|" + pattern(random, depth + 1, anchors) + ")";
            case 7 ->
                "(" + pattern(random, depth + 1, anchors) + ")"
                        + List.of("*", "+", "?", "*?", "+?").get(random.nextInt(5));
            case 8 ->
                "(?:" + pattern(random, depth + 1, false) + "){" + random.nextInt(3) + "," + (2 + random.nextInt(3))
                        + "}";
            default ->
                "(?<n" + random.nextInt(1 << 30) + ">" + pattern(random, depth + 1, false) + "){" + random.nextInt(3)
                        + "}";
        };
    }

    @Seeded
    @Test
    void randomExpressionsMatchAsJavasDo() {
        var random = Seeds.random();
        for (var round = 0; round < Seeds.rounds(1500); round++) {
            var pattern = pattern(random, 0, true);
            var java = Pattern.compile(pattern);
            var search = Regex.search(new Work("$"), pattern);
            var whole = Regex.whole(new Work("$"), pattern);
            for (var i = 0; i < 12; i++) {
                var text = text(random);
                assertEquals(java.matcher(text).find(), search.matches(text), () -> pattern + " in " + text);
                assertEquals(java.matcher(text).matches(), whole.matches(text), () -> pattern + " is " + text);
            }
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ' ',
            value = {
                "\\x41 A true",
                "\\u{1F600} 😀 true",
                "\\uD83D\\uDE00 😀 true",
                "^.$ 😀 true",
                "^[^a]$ 😀 true",
                "^\\p{Lu}$ É true",
                "^\\p{Lu}$ é false",
                "^\\P{L}$ 1 true",
                "^\\p{Letter}+$ aÉ漢 true",
                "^\\p{Script=Greek}$ λ true",
                "^\\p{sc=Xsux}$ 𒀀 true",
                "^[\\w-]+$ a-b true",
                "^a{2}$ aa true",
                "^a{,2}$ a{,2} true",
                "^{$ { true",
                "^[]a]$ ]a] false",
                "^[^]$ x true",
                "a\\/b a/b true",
                "^(a|b|)c$ c true",
                "(^|,)x ,x true",
                "^[+--]$ , true"
            })
    void theDialectIsThatOfEcmaScript(String pattern, String text, boolean matches) {
        assertEquals(matches, Regex.search(new Work("$"), pattern).matches(text), pattern);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ' ',
            value = {
                "(?=a) look-around",
                "(?!a) look-around",
                "(?<=a) look-around",
                "(?<!a) look-around",
                "(a)\\1 back-reference",
                "(?<n>a)\\k<n> back-reference",
                "\\ba boundary",
                "a\\B boundary",
                "(?i)a flags",
                "(?>a) flags",
                "a++ quantifier",
                "a** quantifier",
                "*a repeat",
                "(a ')'",
                "a) ')'",
                "[a ends",
                "[b-a] order",
                "a{3,2} order",
                "\\p{Nope} \\p{Nope}",
                "\\p{Script=Nope} \\p{Script=Nope}",
                "\\p{scx=Greek} \\p{scx=Greek}",
                "\\A \\A",
                "\\x4g hexadecimal",
                "\\ud83d code",
                "\\07 octal",
                "a\\ ends"
            })
    void whatIsNotSupportedIsNamed(String pattern, String word) {
        var e = assertThrows(ConstraintException.class, () -> Regex.search(new Work("$.pattern"), pattern), pattern);
        assertEquals("$.pattern", e.path());
        assertTrue(e.getMessage().contains(word), e.getMessage());
    }

    /// Short expressions that are large once their repetitions are written out.
    @ParameterizedTest
    @Timeout(20)
    @MethodSource
    void aLargeExpressionIsRejectedByItsLimit(String pattern, String limit) {
        var e = assertThrows(ConstraintException.class, () -> Regex.whole(new Work("regex"), pattern));
        assertTrue(e.getMessage().contains(limit), e.getMessage());
    }

    static Stream<Arguments> aLargeExpressionIsRejectedByItsLimit() {
        var distinct = IntStream.range(0, 4000)
                .mapToObj(i -> Character.toString(0x4E00 + i))
                .collect(Collectors.joining());
        return Stream.of(
                Arguments.of("(" + "|".repeat(10_000) + "){10000}", "100000 edges"),
                Arguments.of("(" + "a|".repeat(5_000) + "b){10000}", "100000 edges"),
                Arguments.of("(" + "()|".repeat(2_000) + "b){10000}", "100000 edges"),
                Arguments.of("\\p{L}{15000}", "1000000 edges"),
                Arguments.of("(" + distinct + "){4}", "limit"),
                Arguments.of("a".repeat(16_385), "characters; the limit is 16384"));
    }

    @Test
    @Timeout(20)
    void aLargeSetOfCharactersIsReadInOneGo() {
        var members = IntStream.range(0, 8000)
                .mapToObj(i -> Character.toString(0x3000 + 2 * i))
                .collect(Collectors.joining());
        var set = Regex.whole(new Work("regex"), "[" + members + "]");
        assertTrue(set.matches("\u3000"));
        assertFalse(set.matches("\u3001"));
    }

    /// However a property is spelt, its set is kept once.
    @Test
    void aPropertyIsKeptOnce() {
        var set = RegexParser.parse(new Work("regex"), "\\p{sc=latin}");
        for (var spelling : new String[] {"\\p{sc=LATIN}", "\\p{Script=lAtin}", "\\p{sc=Latn}"}) {
            assertSame(
                    ((RegexParser.Characters) set).set(),
                    ((RegexParser.Characters) RegexParser.parse(new Work("regex"), spelling)).set());
        }
    }

    @Test
    void listedTextsAreLimited() {
        var text = "a".repeat(30_000);
        var e = assertThrows(ConstraintException.class, () -> Dfa.literals(new Work("choice"), List.of(text)));
        assertTrue(e.getMessage().contains("20000 states"), e.getMessage());
    }

    @Seeded
    @Test
    void rangesOfNumbersHaveTheNumbersWithin() {
        var random = Seeds.random();
        for (var round = 0; round < Seeds.rounds(150); round++) {
            var least = random.nextInt(4) == 0 ? null : bound(random);
            var most = random.nextInt(4) == 0 ? null : bound(random);
            var multiple =
                    random.nextInt(3) == 0 ? BigDecimal.valueOf(1 + random.nextInt(30), random.nextInt(2)) : null;
            var numbers = new Numbers(random.nextBoolean(), least, most, multiple);
            var texts = numbers.texts(new Work("$"));
            for (var i = -250; i <= 250; i++) {
                check(numbers, texts, String.valueOf(i));
                check(numbers, texts, i + "." + random.nextInt(10));
                check(numbers, texts, "-" + random.nextInt(3) + "." + random.nextInt(100));
            }
        }
    }

    private static Numbers.@Nullable Bound bound(Random random) {
        var scale = random.nextInt(3);
        return new Numbers.Bound(BigDecimal.valueOf(random.nextInt(400) - 200, scale), random.nextBoolean());
    }

    private static void check(Numbers numbers, Dfa texts, String text) {
        var value = new BigDecimal(text);
        var isWritten = (!numbers.isInteger() && isDecimal(numbers, text) || text.indexOf('.') < 0)
                // -0 is only written if negative numbers are.
                && !(value.signum() == 0 && text.startsWith("-"));
        assertEquals(
                numbers.has(value) && isWritten,
                texts.matches(text) && !(value.signum() == 0 && text.startsWith("-")),
                () -> text + " of " + numbers);
    }

    /// Multiples have no more decimals than the divisor.
    private static boolean isDecimal(Numbers numbers, String text) {
        var multiple = numbers.multiple();
        return multiple == null
                || text.length() - text.indexOf('.') - 1
                        <= Math.max(0, multiple.stripTrailingZeros().scale());
    }

    @Test
    void numbersAreJson() {
        var numbers = Numbers.ALL.texts(new Work("$"));
        for (var text : new String[] {"0", "-0", "10", "-1.50", "1e5", "1E+05", "0.1e-3"}) {
            assertTrue(numbers.matches(text), text);
        }
        for (var text : new String[] {"", "-", "01", "1.", ".5", "+1", "1e", "1e+", "--1", "0x1", "NaN"}) {
            assertEquals(false, numbers.matches(text), text);
        }
    }

    @Test
    void everyFormatHasTexts() {
        for (var name : Formats.names()) {
            var format = Formats.find(name);
            assertTrue(format != null && !format.isEmpty(), name);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "date,2000-02-29,true",
        "date,1900-02-29,false",
        "date,2023-02-29,false",
        "date,2024-04-31,false",
        "date,0000-01-01,false",
        "date,0004-02-29,true",
        "ipv6,::,true",
        "ipv6,1::,true",
        "ipv6,1:2:3:4:5:6:7::,true",
        "ipv6,::2:3:4:5:6:7:8,true",
        "ipv6,1:2:3:4:5:6:7:8:9,false",
        "ipv6,1::2::3,false",
        "ipv6,12345::,false",
        "uri,a:,true",
        "uri,http://[::1]:80/x?y#z,true",
        "uri,http://a b,false",
        "uri-reference,a/b?c,true",
        "uri-reference,a:b:c,true",
        "json-pointer,/a~0b/~1,true",
        "json-pointer,a,false",
        "duration,P1Y2M3DT4H5M6S,true",
        "duration,PT,false",
        "email,a@b,true",
        "email,.a@b,false"
    })
    void formatsAreExact(String format, String text, boolean isValid) {
        var dfa = Formats.find(format);
        assertEquals(isValid, dfa != null && dfa.matches(text), format + " " + text);
    }

    @Test
    void characterSetsCover() {
        var random = new Random(1);
        for (var round = 0; round < 200; round++) {
            var low = random.nextInt(0x3000) * (random.nextInt(3) == 0 ? 60 : 1);
            var high = Math.min(CodePoints.LAST, low + random.nextInt(0x9000));
            var set = CodePoints.of(low, high).and(CodePoints.ALL);
            var grammar = new Grammar.Builder();
            var root = grammar.node();
            grammar.characters(root, set, grammar.end());
            if (set.isEmpty()) {
                continue;
            }
            var automaton =
                    new Automaton(grammar.build(root), TestVocabulary.trie(), Long.MAX_VALUE, Integer.MAX_VALUE);
            for (var i = 0; i < 100; i++) {
                var c = Math.clamp(low + random.nextInt(0xA000) - 0x800L, 0, CodePoints.LAST);
                if (CodePoints.ALL.contains(c)) {
                    assertEquals(set.contains(c), accepts(automaton, Character.toString(c)), () -> "U+" + c);
                }
            }
        }
    }

    private static boolean accepts(Automaton automaton, String text) {
        Automaton.@Nullable State state = automaton.start();
        for (var b : text.getBytes(StandardCharsets.UTF_8)) {
            state = state == null ? null : automaton.step(state, b & 0xFF);
        }
        return state != null && state.accepts;
    }
}
