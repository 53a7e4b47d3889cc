import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Measures how fast a server generates. Run it as it is: {@code java scaling-tests/LoadTest.java --help}. */
public final class LoadTest {
    private LoadTest() {}

    /** Has the script beside this file run the program. Written in Java 11, so that an older Java can start it, too. */
    public static void main(String[] words) throws Exception {
        Class<?> self = LoadTest.class;
        Path file =
                Path.of(self.getProtectionDomain().getCodeSource().getLocation().toURI());
        String script = file.resolveSibling("run").toString();
        List<String> command =
                new ArrayList<>(List.of("bash", script, System.getProperty("java.home"), self.getSimpleName()));
        command.addAll(List.of(words));
        Process program = new ProcessBuilder(command).inheritIO().start();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            program.destroy();
            program.onExit().join();
        }));
        System.exit(program.waitFor());
    }
}
