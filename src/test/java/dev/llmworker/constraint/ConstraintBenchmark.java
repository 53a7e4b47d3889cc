package dev.llmworker.constraint;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import java.util.Random;

/// Time of a mask, for an object of 50 properties and other schemas, on one core:
///
/// ```
/// mvn -q test-compile dependency:build-classpath -Dmdep.outputFile=target/classpath
/// java -cp target/test-classes:target/classes:$(cat target/classpath) \
///     dev.llmworker.constraint.ConstraintBenchmark vocabulary.bin
/// ```
///
/// `src/test/constraint/oracle.py --write-vocabulary` makes the file. Prints for each schema the time to
/// compile it, and the median, the 99th percentile and the maximum of masks along random answers: of the first
/// answers, and of later ones.
final class ConstraintBenchmark {
    private static final int ANSWERS = 40;
    private static final int WARM_UP = 5;

    private ConstraintBenchmark() {}

    public static void main(String[] arguments) throws IOException {
        var start = cpuNanos();
        var tokens = MaskServer.read(Path.of(arguments[0]));
        print("trie of %d tokens: %.0f ms", tokens.size(), (cpuNanos() - start) / 1e6);
        var schemas = new String[][] {
            {"50 properties", properties(50)},
            {"any object", "{\"type\":\"object\"}"},
            {"strings of up to 500", "{\"type\":\"array\",\"items\":{\"type\":\"string\",\"maxLength\":500}}"},
            {"a pattern", "{\"type\":\"array\",\"items\":{\"type\":\"string\",\"pattern\":\"^[A-Z][a-z ]+$\"}}"},
        };
        for (var round = 0; round < WARM_UP; round++) {
            for (var schema : schemas) {
                measure(tokens, schema, round == WARM_UP - 1);
            }
        }
    }

    /// Properties of all kinds, half of them optional.
    static String properties(int count) {
        var kinds = new String[] {
            "{\"type\":\"string\"}",
            "{\"type\":\"integer\",\"minimum\":0,\"maximum\":1000}",
            "{\"type\":[\"string\",\"null\"],\"maxLength\":40}",
            "{\"enum\":[\"red\",\"green\",\"blue\"]}",
            "{\"type\":\"array\",\"items\":{\"type\":\"number\"},\"maxItems\":5}",
            "{\"type\":\"object\",\"properties\":{\"x\":{\"type\":\"boolean\"},\"y\":{\"type\":\"string\",\"format\":\"date\"}}}",
            "{\"type\":\"string\",\"pattern\":\"^[a-z]{2,8}$\"}"
        };
        var text = new StringBuilder("{\"type\":\"object\",\"additionalProperties\":false,\"required\":[");
        for (var i = 0; i < count; i += 2) {
            text.append(i == 0 ? "" : ",").append("\"property_").append(i).append('"');
        }
        text.append("],\"properties\":{");
        for (var i = 0; i < count; i++) {
            text.append(i == 0 ? "" : ",")
                    .append("\"property_")
                    .append(i)
                    .append("\":")
                    .append(kinds[i % kinds.length]);
        }
        return text.append("}}").toString();
    }

    private static void measure(TokenTrie tokens, String[] schema, boolean shown) {
        var start = cpuNanos();
        var constraint = new Constraint(new Expression.Json(schema[1]), tokens);
        var compiled = cpuNanos() - start;
        var times = new long[1 << 20];
        var count = 0;
        var first = 0;
        var bits = new long[constraint.words()];
        var random = new Random(1);
        for (var answer = 0; answer < ANSWERS; answer++) {
            var state = constraint.begin();
            for (var token = 0; token < 1000 && !state.isFinished(); token++) {
                var begin = cpuNanos();
                state.mask(bits);
                times[count++] = cpuNanos() - begin;
                state.advance(new RandomWalk(tokens, random, 0, 0).choose(bits, random.nextInt(3) == 0));
            }
            first = answer == 0 ? count : first;
        }
        if (shown) {
            print(
                    "%-22s compiled in %5.1f ms; first answer %s; all %s; %.1f MB",
                    schema[0],
                    compiled / 1e6,
                    shares(times, 0, first),
                    shares(times, 0, count),
                    constraint.bytes() / 1e6);
        }
    }

    /// Processor time, so that what else runs on the machine does not count.
    private static long cpuNanos() {
        return ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
    }

    private static String shares(long[] times, int from, int to) {
        var sorted = Arrays.copyOfRange(times, from, to);
        Arrays.sort(sorted);
        return String.format(
                Locale.ROOT,
                "%d masks: median %.3f ms, p99 %.2f ms, max %.1f ms",
                sorted.length,
                sorted[sorted.length / 2] / 1e6,
                sorted[sorted.length * 99 / 100] / 1e6,
                sorted[sorted.length - 1] / 1e6);
    }

    private static void print(String format, Object... values) {
        System.out.println(String.format(Locale.ROOT, format, values));
    }
}
