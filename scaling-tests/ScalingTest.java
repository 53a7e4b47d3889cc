import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Finds out how a load balancer treats a worker. Run it as it is: {@code java scaling-tests/ScalingTest.java --help}. */
public final class ScalingTest {
    private ScalingTest() {}

    /** Has the script beside this file run the program. Written in Java 11, so that an older Java can start it, too. */
    public static void main(String[] words) throws Exception {
        Class<?> self = ScalingTest.class;
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
