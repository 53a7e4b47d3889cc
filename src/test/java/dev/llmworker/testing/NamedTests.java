package dev.llmworker.testing;

import static org.junit.platform.engine.discovery.ClassNameFilter.includeClassNamePatterns;
import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClasspathRoots;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import org.junit.platform.engine.FilterResult;
import org.junit.platform.engine.TestDescriptor;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.engine.support.descriptor.ClassSource;
import org.junit.platform.engine.support.descriptor.MethodSource;
import org.junit.platform.launcher.PostDiscoveryFilter;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;
import org.junit.platform.launcher.listeners.SummaryGeneratingListener;

/// Runs the named tests of a folder of classes; `src/test/quick.sh` starts it. A name is `Class` or `Class#method`, and
/// `*` in it stands for any characters. A class may be named with its package or without.
public final class NamedTests {
    private static final int STACK_LINES = 12;

    private record Name(Pattern type, Pattern method) {
        static Name of(String name) {
            var parts = name.split("#", 2);
            return new Name(pattern("(.*\\.)?", parts[0]), pattern("", parts.length == 1 ? "*" : parts[1]));
        }

        private static Pattern pattern(String before, String glob) {
            return Pattern.compile(before + glob.replace(".", "\\.").replace("*", ".*"));
        }

        boolean names(MethodSource source) {
            return type.matcher(source.getClassName()).matches()
                    && method.matcher(source.getMethodName()).matches();
        }
    }

    /// Prints each class as it ends.
    private static final class Progress implements TestExecutionListener {
        private long beganNanos = System.nanoTime();

        @Override
        public void executionFinished(TestIdentifier test, TestExecutionResult result) {
            if (test.getSource().filter(ClassSource.class::isInstance).isPresent()) {
                var now = System.nanoTime();
                System.out.printf("%s: %.1f s%n", test.getDisplayName(), (now - beganNanos) / 1e9);
                beganNanos = now;
            }
        }
    }

    private NamedTests() {}

    public static void main(String[] arguments) {
        var names = List.of(arguments).subList(1, arguments.length).stream()
                .map(Name::of)
                .toList();
        PostDiscoveryFilter named = test -> FilterResult.includedIf(isNamed(test, names));
        var request = LauncherDiscoveryRequestBuilder.request()
                .selectors(selectClasspathRoots(Set.of(Path.of(arguments[0]))))
                .filters(
                        includeClassNamePatterns(names.stream()
                                .map(name -> name.type().pattern())
                                .toArray(String[]::new)),
                        named)
                .build();
        var results = new SummaryGeneratingListener();
        LauncherFactory.create().execute(request, results, new Progress());
        var summary = results.getSummary();
        summary.printFailuresTo(new PrintWriter(System.out, true), STACK_LINES);
        System.out.printf(
                "%d passed, %d failed, %d skipped%n",
                summary.getTestsSucceededCount(), summary.getTotalFailureCount(), summary.getTestsSkippedCount());
        System.exit(summary.getTotalFailureCount() == 0 && summary.getTestsFoundCount() > 0 ? 0 : 1);
    }

    private static boolean isNamed(TestDescriptor test, List<Name> names) {
        return !(test.getSource().orElse(null) instanceof MethodSource source)
                || names.stream().anyMatch(name -> name.names(source));
    }
}
