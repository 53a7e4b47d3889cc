package dev.llmworker.text.jinja;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.testing.Concurrent;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Concurrent
@Timeout(180)
class JinjaLimitsTest {
    /// Measures work and not time: other processes may have the processor.
    private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

    private static final long MINUTES = 150_000;
    /// The usual limits but for the time: a busy machine may need it all for what another limit ends.
    private static final JinjaLimits PATIENT = new JinjaLimits(
            JinjaLimits.standard().steps(),
            JinjaLimits.standard().characters(),
            JinjaLimits.standard().depth(),
            MINUTES);
    /// Smaller than any thread's usual stack.
    private static final long STACK_BYTES = 512 * 1024;

    @Test
    void endlessWorkStopsAtTheStepLimit() {
        var nested = "{% for a in range(100000) %}{% for b in range(100000) %}{% for c in range(100000) %}"
                + "{% endfor %}{% endfor %}{% endfor %}";
        assertEquals("rendering takes more than 1000000 steps, the limit", reason(nested));
        assertTrue(reason("{{ range(100000)|list * 1000 }}").contains("steps"));
        assertTrue(reason("{% for a in range(100) %}{{ range(100000)|max }}{% endfor %}")
                .contains("steps"));
    }

    @Test
    void theLimitsThatAreGivenHold() {
        var limits = new JinjaLimits(50, 10, 20, MINUTES);
        assertEquals(
                "rendering takes more than 50 steps, the limit",
                reason("{% for i in range(30) %}{% endfor %}{% for i in range(30) %}{% endfor %}", limits));
        assertEquals("a text would have 12 characters; the limit is 10", reason("{{ 'abc' * 4 }}", limits));
        assertEquals("a text would have 11 characters; the limit is 10", reason("12345{{ 'abcdef' }}", limits));
        assertEquals(
                "nested deeper than 20 levels, the limit",
                reason("{{ [[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]] }}", limits));
    }

    @Test
    void noTextGrowsBeyondTheLimit() {
        for (var expression : List.of(
                "' ' * 1000000000000",
                "'{0}{0}'.format('x' * 1000000)",
                "1000000000000 * 'ab'",
                "'a\nb'|indent(1000000000000)",
                "[1]|tojson(indent=1000000000000)",
                "('a' * 1000000).replace('a', 'b' * 1000000)",
                "('a' * 1000000).replace('', 'b' * 1000000)",
                "('a' * 1000000)|replace('a', 'b' * 1000000)",
                "('b' * 1000000).join('a' * 1000)",
                "range(100000)|join('x' * 1000)",
                "('a\\n' * 500000)|indent(1000)",
                "('a'|safe) + '<' * 1000000",
                "('é' * 1000000)|tojson(true)",
                "[('\\n' * 1000000)]")) {
            assertTrue(reason("{{ " + expression + " }}").contains("limit is 1048576"), expression);
        }
        var doubled =
                "{% set ns = namespace(t='x') %}{% for i in range(100) %}{% set ns.t = ns.t ~ ns.t %}{% endfor %}";
        assertTrue(reason(doubled).contains("limit is 1048576"));
    }

    @Test
    void textsTogetherAreLimitedToo() {
        var many = "{% set t = 'ab' * 500000 %}{% for i in range(100000) %}{% set u = t ~ i %}{% endfor %}";
        assertTrue(reason(many).contains("characters together"));
        var searched =
                "{% set t = 'ab' * 500000 %}{% for i in range(100000) %}{% if 'b' * 1000 in t %}{% endif %}{% endfor %}";
        assertTrue(reason(searched).contains("characters together"));
        var indexed = "{% set t = 'é😀' * 300000 %}{% for i in range(100000) %}{{ t[i] }}{% endfor %}";
        assertTrue(reason(indexed).contains("characters together"));
    }

    /// Each reads a text of 16,000 characters. 64 texts of the longest length are what a rendering may make.
    @Test
    void everythingThatReadsALongTextIsCharged() {
        var limits = new JinjaLimits(10_000_000, 16_384, 500, MINUTES);
        for (var expression : List.of(
                "t|length",
                "t == u",
                "t < u",
                "t in [u]",
                "{t: 1}[u]",
                "{t: 1}.get(u)",
                "d[u]",
                "u in d",
                "(t, 1) in d",
                "[t, u]|unique|list",
                "[t, u]|sort",
                "[t, u]|max",
                "t|int",
                "t|float",
                "t|trim",
                "t|lower",
                "t|title",
                "t.upper()",
                "t.title()",
                "t.find('y')",
                "t.startswith(u)",
                "t.split('y')",
                "t.splitlines()",
                "t[5:6]",
                "t[5]",
                "t|first",
                "t|reverse",
                "t|indent",
                "t|tojson",
                "[t]|string",
                "t|string|safe + 'x'",
                "strftime_now(t)",
                "'y' in t")) {
            var loop = "{% set t = 'x' * 16000 %}{% set u = 'x' * 16000 %}{% set d = {u: 1} %}"
                    + "{% for i in range(100000) %}{% if " + expression + " %}{% endif %}{% endfor %}";
            assertTrue(reason(loop, limits).contains("characters together"), expression);
        }
    }

    /// Whatever a template does again and again with long texts, it ends soon after its time.
    @ParameterizedTest
    @ValueSource(
            strings = {"'1' * 1000000", "'a' * 1000000", "'1_' * 500000", "'{' * 1000000", "'\u0345\u0323' * 500000"})
    void noPrimitiveTakesLong(String text) {
        var limits = new JinjaLimits(Long.MAX_VALUE / 2, 1 << 20, 500, 50);
        var slow = new ArrayList<String>();
        for (var expression : List.of(
                "(t ~ 'x')|float",
                "(t ~ 'x')|int",
                "('{' ~ t).format(1)",
                "('{a' ~ t).format(1)",
                "('{0[' ~ t).format(1)",
                "t.strip(u)",
                "t|trim(u)",
                "t.rstrip('ab1' ~ u)",
                "(t ~ 'x') < (t ~ 'y')",
                "[t, 'z', t, 'y']|sort",
                "[t, 'z']|sort(attribute=t)",
                "[{'a': 1}]|map(attribute=t)|list",
                "[{'a': 1}]|sort(attribute='.' * 100000)",
                "[t, u]|unique|list",
                "t.split(u)",
                "t.find(u)",
                "t.replace(u, t)",
                "u in t",
                "t[::-1]",
                "t[500000]",
                "t * 100",
                "t|tojson",
                "t.splitlines()",
                "t.title()",
                "t|title",
                "t.upper()",
                "t.split()",
                "strftime_now(t)",
                "1e300 < 9007199254740993",
                "(1, t) == (1, u)",
                "t|list|length",
                "t|indent(8)",
                "t|length")) {
            var begun = THREADS.getCurrentThreadCpuTime();
            var source = "{% set t = " + text + " %}{% set u = 'cb' * 250000 ~ t[:500000] %}"
                    + "{% for i in range(100000) %}{% for j in range(100000) %}{% set x = " + expression
                    + " %}{% endfor %}{% endfor %}";
            assertThrows(
                    JinjaException.class,
                    () -> JinjaTemplate.parse(source, limits, Clock.systemUTC()).render(Map.of()),
                    expression);
            var millis = TimeUnit.NANOSECONDS.toMillis(THREADS.getCurrentThreadCpuTime() - begun);
            if (millis > 5_000) {
                slow.add(expression + " on " + text + ": " + millis + " ms");
            }
        }
        assertEquals(List.of(), slow);
    }

    @Test
    void longNumbersInATemplateNeedNoStack() throws InterruptedException {
        var digits = "1".repeat(100_000);
        for (var number : List.of(digits, "1_".repeat(50_000) + "1")) {
            assertEquals(
                    "a number of " + number.replace("_", "").length() + " digits does not fit in 64 bits",
                    reasonOnSmallStack("{{ " + number + " }}", PATIENT));
        }
        for (var source : List.of(
                "{{ 1." + "1_".repeat(50_000) + "1 }}",
                "{{ 1e" + digits + " }}",
                "{{ '" + "\\a".repeat(50_000) + "' }}",
                "{{ " + "a".repeat(100_000) + " }}",
                "{# " + "-".repeat(100_000),
                "{% raw %}" + "{%".repeat(50_000),
                "{%" + " ".repeat(100_000) + "raw x")) {
            // It may be refused or rendered.
            assertNotEquals("the stack ended", reasonOnSmallStack(source, PATIENT));
        }
    }

    @Test
    void aRenderingEndsAfterItsTime() {
        var endless = "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}";
        var limits = new JinjaLimits(Long.MAX_VALUE, Integer.MAX_VALUE, 500, 50);
        assertEquals("rendering takes more than 50 ms, the limit", reason(endless, limits));
        assertEquals(5_000, JinjaLimits.standard().millis());
    }

    @Test
    void anInterruptEndsARendering() {
        var template = JinjaTemplate.parse("{% for a in range(100000) %}{% endfor %}");
        Thread.currentThread().interrupt();
        try {
            var ended = assertThrows(JinjaException.class, () -> template.render(Map.of()));
            assertEquals("rendering was interrupted", ended.reason());
            assertEquals(JinjaException.Kind.TOO_MUCH_WORK, ended.kind());
        } finally {
            assertTrue(Thread.interrupted(), "the flag stays set for the caller");
        }
    }

    @Test
    void integersAndRangesAreLimited() {
        assertTrue(reason("{{ 9223372036854775807 + 1 }}").contains("64 bits"));
        assertTrue(reason("{{ range(0, 9223372036854775807, 3) }}").contains("limit is 100000"));
        assertTrue(
                reason("{{ range(-9223372036854775807, 9223372036854775807) }}").contains("limit is 100000"));
    }

    @Test
    void deepTemplatesAreRefusedBeforeTheStackEnds() throws InterruptedException {
        for (var source : List.of(
                "{{ " + "(".repeat(10_000) + "1" + ")".repeat(10_000) + " }}",
                "{{ " + "[".repeat(10_000),
                "{{ " + "{1:".repeat(10_000),
                "{{ " + "not ".repeat(10_000) + "1 }}",
                "{{ " + "-".repeat(10_000) + "1 }}",
                "{{ " + "f(".repeat(10_000),
                "{{ " + "a[".repeat(10_000),
                "{{ " + "1 if 1 else ".repeat(10_000) + "1 }}",
                "{{ " + "x|f(".repeat(10_000),
                "{% if 1 %}".repeat(10_000),
                "{% set " + "(".repeat(10_000),
                "{{ 1" + " + 1".repeat(10_000) + " }}",
                "{{ 'a'" + "|upper".repeat(10_000) + " }}",
                "{{ a" + ".a".repeat(10_000) + " }}",
                "{{ a" + "[0]".repeat(10_000) + " }}",
                "{{ 1" + " and 1".repeat(10_000) + " }}",
                "{{ range" + "()".repeat(10_000) + " }}")) {
            assertTrue(reasonOnSmallStack(source, PATIENT).contains("nested deeper than"), source.substring(0, 30));
        }
    }

    @Test
    void deepRenderingIsRefusedBeforeTheStackEnds() throws InterruptedException {
        var nest = "{% set ns = namespace(v=[]) %}{% for i in range(5000) %}{% set ns.v = [ns.v] %}{% endfor %}";
        var dicts = "{% set ns = namespace(v={}) %}{% for i in range(5000) %}{% set ns.v = {'k': ns.v} %}{% endfor %}";
        for (var source : List.of(
                "{% macro m(n) %}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}",
                "{% macro m(n) %}{% for x in [1] %}{% if n %}{{ [m(n + 1)]|map('upper')|list }}{% endif %}{% endfor %}"
                        + "{% endmacro %}{{ m(1) }}",
                "{% macro m() %}{% set x %}{{ (1 if m() else 2) }}{% endset %}{% endmacro %}{{ m() }}",
                nest + "{{ ns.v }}",
                nest + "{{ ns.v|tojson }}",
                nest + "{% set a = ns.v %}" + nest + "{{ a == ns.v }}",
                nest + "{% set a = ns.v %}" + nest + "{{ a < ns.v }}",
                nest + "{% set a = ns.v %}" + nest + "{{ a in [ns.v] }}",
                dicts + "{{ ns.v|tojson(indent=1) }}",
                dicts + "{% set a = ns.v %}" + dicts + "{{ a == ns.v }}",
                "{% set ns = namespace() %}{% set ns.self = ns %}{{ ns }}")) {
            var reason = reasonOnSmallStack(source, PATIENT);
            assertTrue(reason.contains("nested deeper than"), () -> source + ": " + reason);
        }
        var tuples =
                "{% set ns = namespace(v=()) %}{% for i in range(5000) %}{% set ns.v = (ns.v,) %}{% endfor %}{{ {ns.v: 1} }}";
        assertTrue(reasonOnSmallStack(tuples, PATIENT).contains("tuple within a tuple"));
    }

    @Test
    void deepInputIsRefused() {
        Object value = "x";
        for (int i = 0; i < 1000; i++) {
            value = List.of(value);
        }
        var deep = Map.of("v", value);
        var template = JinjaTemplate.parse("{{ v }}");
        assertTrue(assertThrows(JinjaException.class, () -> template.render(deep))
                .reason()
                .contains("nested deeper"));
    }

    @Test
    void limitsBelowOneAreRefused() {
        assertThrows(IllegalArgumentException.class, () -> new JinjaLimits(0, 1, 1));
        assertThrows(IllegalArgumentException.class, () -> new JinjaLimits(1, 0, 1));
        assertThrows(IllegalArgumentException.class, () -> new JinjaLimits(1, 1, 0));
        assertThrows(IllegalArgumentException.class, () -> new JinjaLimits(1, 1, 1, 0));
    }

    private static String reason(String source) {
        return reason(source, PATIENT);
    }

    private static String reason(String source, JinjaLimits limits) {
        return assertThrows(
                        JinjaException.class,
                        () -> JinjaTemplate.parse(source, limits, Clock.systemUTC())
                                .render(Map.of()),
                        source)
                .reason();
    }

    private static String reasonOnSmallStack(String source, JinjaLimits limits) throws InterruptedException {
        var reason = new AtomicReference<>("nothing was refused: " + source);
        var thread = new Thread(
                null,
                () -> {
                    try {
                        JinjaTemplate.parse(source, limits, Clock.systemUTC()).render(Map.of());
                    } catch (JinjaException e) {
                        reason.set(e.reason());
                    } catch (StackOverflowError e) {
                        reason.set("the stack ended");
                    }
                },
                "small stack",
                STACK_BYTES);
        thread.start();
        thread.join();
        return Objects.requireNonNull(reason.get());
    }
}
