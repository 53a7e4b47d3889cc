package dev.llmworker.text.jinja;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.testing.Concurrent;
import dev.llmworker.testing.Seeded;
import dev.llmworker.testing.Seeds;
import java.io.IOException;
import java.math.BigInteger;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.Test;

@Concurrent
class JinjaTemplateTest {
    private static final Map<String, Object> ONE_TURN =
            Map.of("messages", List.of(Map.of("role", "user", "content", "Hi")), "add_generation_prompt", true);

    @Test
    void everyCaseGivesWhatPythonsJinjaGives() throws IOException {
        try (var golden = Objects.requireNonNull(getClass().getResourceAsStream("/jinja/cases.json"))) {
            var outcome = GoldenCases.compare(golden);
            assertEquals(List.of(), outcome.wrong(), () -> String.join("\n", outcome.wrong()));
            assertTrue(outcome.equal() > 1000, () -> outcome.equal() + " cases only");
        }
    }

    @Test
    void whatTheTemplateRaisesIsToldFromItsFaults() {
        var raised = failure("{{ 'x' }}\n{% if true %}\n{{ raise_exception('Roles must alternate') }}{% endif %}");
        assertEquals(JinjaException.Kind.RAISED, raised.kind());
        assertEquals("Roles must alternate", raised.reason());
        assertEquals(3, raised.line());

        var fault = failure("a\n\n{{ nothing.here }}");
        assertEquals(JinjaException.Kind.FAULT, fault.kind());
        assertEquals("line 3 of the template: 'nothing' is undefined", fault.getMessage());
    }

    @Test
    void aFaultAfterAMacroCallIsOnTheCallersLine() {
        assertEquals(
                4,
                failure("{% macro m() %}\nx\n{% endmacro %}\n{{ m() ~ nothing.here }}")
                        .line());
        assertEquals(
                2,
                failure("{% macro m() %}\n{{ nothing.here }}\n{% endmacro %}\n{{ m() }}")
                        .line());
    }

    @Test
    void aSyntaxErrorSaysItsLineAndWhatWasExpected() {
        assertEquals(
                "line 2 of the template: expected '%}', got 'names'",
                failure("ok\n{% if names names %}\n{% endif %}").getMessage());
        assertEquals(
                "line 3 of the template: the template ends within a block; expected endfor",
                failure("{% for x in y %}\n{% else %}\nx").getMessage());
    }

    @Test
    void whatNoChatTemplateUsesIsRefusedByName() {
        assertEquals("No filter named 'round'", failure("{{ 1.5|round }}").reason());
        assertEquals(
                "No test named 'divisibleby'",
                failure("{{ 4 is divisibleby 2 }}").reason());
        assertEquals(
                "'str object' has no attribute 'zfill'",
                failure("{{ 'a'.zfill(3) }}").reason());
        assertEquals(
                "'list object' has no attribute 'index'",
                failure("{{ messages.index(1) }}").reason());
        assertEquals(
                "formatting a str with % is not supported",
                failure("{{ '%s' % 1 }}").reason());
        assertEquals(
                "'{:>5}' is not supported in str.format; the fields are {}, {0} and {name}",
                failure("{{ '{:>5}'.format(1) }}").reason());
        assertEquals(
                "strftime_now does not support %c",
                failure("{{ strftime_now('%c') }}").reason());
    }

    @Test
    void onlyValuesOfJsonGoIn() {
        var variables = new HashMap<String, Object>();
        variables.put("none", null);
        variables.put("values", List.of(1, 2L, 1.5, 0.5f, "x", true, Map.of("k", List.of())));
        assertEquals(
                "[1, 2, 1.5, 0.5, 'x', True, {'k': []}]",
                JinjaTemplate.parse("{{ values }}").render(variables));
        var template = JinjaTemplate.parse("x");
        var refused = assertThrows(JinjaException.class, () -> template.render(Map.of("v", List.of(BigInteger.ONE))));
        assertTrue(refused.reason().contains("BigInteger"), refused.reason());
    }

    @Test
    void nothingOfJavaCanBeReached() {
        for (var name : List.of("class", "getClass()", "__class__", "hashCode()", "bytes", "length()", "chars()")) {
            for (var owner : List.of("'x'", "[1]", "{'a': 1}", "1", "none", "messages", "range", "namespace()")) {
                var template = JinjaTemplate.parse("{{ (" + owner + ")." + name.replace("()", "") + " is defined }}");
                assertEquals("False", template.render(ONE_TURN), () -> owner + "." + name);
            }
        }
    }

    @Test
    void noFileCanBeReached() {
        for (var source : List.of(
                "{% include 'pom.xml' %}",
                "{% import 'pom.xml' as x %}",
                "{% from 'pom.xml' import x %}",
                "{% extends 'pom.xml' %}",
                "{{ self }}",
                "{{ open('pom.xml') }}",
                "{{ cycler.__init__.__globals__ }}",
                "{{ lipsum.__globals__ }}")) {
            assertThrows(
                    JinjaException.class,
                    () -> {
                        var text = JinjaTemplate.parse(source).render(ONE_TURN);
                        assertEquals("", text, source);
                        throw new JinjaException("it is empty");
                    },
                    source);
        }
    }

    @Test
    void whatTheCallerGaveIsNotChanged() {
        var messages = List.of(Map.of("role", "user", "content", "Hi"));
        var template = JinjaTemplate.parse("{% set messages = messages + [1] %}{{ messages|length }}");
        assertEquals("2", template.render(Map.of("messages", messages)));
        assertEquals("2", template.render(Map.of("messages", messages)));
        assertEquals(1, messages.size());
    }

    @Test
    void manyThreadsRenderOneTemplate() throws Exception {
        var template = JinjaTemplate.parse(
                "{% set ns = namespace(n=0) %}{% for i in range(k) %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}");
        try (var threads = Executors.newFixedThreadPool(4)) {
            var results = new HashMap<Integer, java.util.concurrent.Future<String>>();
            for (int k = 0; k < 200; k++) {
                int count = k;
                Callable<String> rendering = () -> template.render(Map.of("k", count));
                results.put(k, threads.submit(rendering));
            }
            for (var result : results.entrySet()) {
                int k = result.getKey();
                assertEquals(
                        Integer.toString(k * (k - 1) / 2), result.getValue().get());
            }
        }
    }

    @Seeded
    @Test
    void aSpoiledTemplateRendersOrIsRefusedButNeverBreaks() throws IOException {
        long seed = Seeds.seed();
        var random = new Random(seed);
        var sources = GoldenCases.sources();
        var pieces = List.of(
                "{%",
                "%}",
                "{{",
                "}}",
                "{#",
                "#}",
                "-",
                "+",
                "'",
                "\\",
                "(",
                ")",
                "[",
                "]",
                "|",
                "if ",
                "endif",
                "for x in ",
                "\n",
                " ",
                "is ",
                "not ",
                "1",
                "**",
                "9999999999",
                ".x",
                "[::-1]",
                "|tojson",
                "%",
                "{",
                "}",
                "\ud83d",
                "0x");
        for (int round = 0; round < Seeds.rounds(20_000); round++) {
            var source = new StringBuilder(sources.get(random.nextInt(sources.size())));
            for (int i = random.nextInt(3); i >= 0; i--) {
                int at = random.nextInt(source.length() + 1);
                if (random.nextBoolean() && at < source.length()) {
                    source.delete(at, Math.min(source.length(), at + 1 + random.nextInt(4)));
                } else {
                    source.insert(at, pieces.get(random.nextInt(pieces.size())));
                }
            }
            try {
                JinjaTemplate.parse(source.toString()).render(ONE_TURN);
            } catch (JinjaException e) {
                assertFalse(e.reason().isEmpty(), source::toString);
            } catch (RuntimeException | StackOverflowError e) {
                throw new AssertionError("seed " + seed + ", template: " + source, e);
            }
        }
    }

    @Test
    void aTemplateThatRefusesWithoutWordsIsSaidToDoSo() {
        var refusal = failure("{{ raise_exception('') }}");
        assertEquals(JinjaException.Kind.RAISED, refusal.kind());
        assertEquals("the template refuses its input, and does not say why", refusal.reason());
    }

    private static JinjaException failure(String source) {
        return assertThrows(
                JinjaException.class, () -> JinjaTemplate.parse(source).render(ONE_TURN));
    }
}
