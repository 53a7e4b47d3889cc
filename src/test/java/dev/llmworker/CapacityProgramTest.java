package dev.llmworker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.testing.ChildJvm;
import dev.llmworker.testing.StartsProcesses;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// The programs of `deploy/capacity`, as `docs/scaling.md` runs them.
@StartsProcesses
class CapacityProgramTest {
    private static final Path FOLDER = Path.of("deploy/capacity");

    @TempDir
    private static Path classes;

    private record Run(int status, String output) {}

    private static Run run(ProcessBuilder builder) throws Exception {
        var process = builder.start();
        var output = new String(process.getInputStream().readAllBytes());
        return new Run(process.waitFor(), output);
    }

    /// As the page starts a program.
    private static Run runSource(String program, String... arguments) throws Exception {
        var command = ChildJvm.source(FOLDER.resolve(program), List.of(arguments));
        return run(new ProcessBuilder(command).redirectErrorStream(true));
    }

    /// As compiled: this takes a quarter of the time.
    private static Run run(String program, String... arguments) throws Exception {
        return run(ChildJvm.of(classes.toString(), program.replace(".java", ""), Map.of(), arguments));
    }

    /// The Java that they name compiles them.
    @BeforeAll
    static void compile() throws Exception {
        var compiler = ToolProvider.getSystemJavaCompiler();
        try (var files = compiler.getStandardFileManager(null, null, null)) {
            var messages = new StringWriter();
            var task = compiler.getTask(
                    messages,
                    files,
                    null,
                    List.of("--release", "17", "-d", classes.toString()),
                    null,
                    files.getJavaFileObjects(FOLDER.resolve("Capacity.java"), FOLDER.resolve("Arrivals.java")));
            assertTrue(task.call(), messages::toString);
        }
    }

    @Test
    void theDocumentedCallGivesTheDocumentedAnswer() throws Exception {
        var page = Files.readString(Path.of("docs/scaling.md"));
        var call = page.substring(page.indexOf("$ java deploy/capacity/Capacity.java "));
        call = call.substring(0, call.indexOf("\n```"));
        var command = call.substring(0, call.indexOf('\n')).split(" ");
        var run = runSource(
                "Capacity.java", List.of(command).subList(3, command.length).toArray(String[]::new));
        assertEquals(call.substring(call.indexOf('\n') + 1) + "\n", run.output);
        assertEquals(0, run.status);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "Capacity.java | curv=1            | \"curv=1\" is no argument; it must be NAME=VALUE, with NAME one of answer, curve",
                "Capacity.java | rate              | \"rate\" is no argument",
                "Capacity.java | rate=many         | rate has \"many\"; it must be a number",
                "Capacity.java | slots=1.5         | slots has \"1.5\"; it must be a whole number",
                "Capacity.java | curve=1           | curve has \"1\"; it must be SEQUENCES:TOKENS_PER_SECOND",
                "Capacity.java | workers=10,x      | workers has \"x\"; it must be a number",
                "Capacity.java | ''                | \"\" is no argument",
                "Arrivals.java | http://localhost  | it needs 5 arguments, and has 1",
            })
    void aWrongArgumentIsOneSentence(String program, String argument, String message) throws Exception {
        var run = run(program, argument);
        assertEquals(2, run.status, run.output);
        var name = program.replace(".java", "");
        assertTrue(run.output.startsWith(name + ": " + message), run.output);
        assertTrue(run.output.endsWith(". --help lists the arguments\n"), run.output);
        assertEquals(1, run.output.lines().count(), run.output);
    }

    @ParameterizedTest
    @CsvSource({"Capacity.java", "Arrivals.java"})
    void helpNamesTheArgumentsAndTheJava(String program) throws Exception {
        var run = runSource(program, "--help");
        assertEquals(0, run.status, run.output);
        assertTrue(run.output.startsWith("Usage: java " + program + " "), run.output);
        assertTrue(run.output.contains("Needs Java 17 or newer"), run.output);
    }
}
