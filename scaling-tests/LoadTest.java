import java.lang.reflect.Method;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import javax.tools.ToolProvider;

/** Measures how fast a server generates. Run it as it is: {@code java scaling-tests/LoadTest.java --help}. */
public final class LoadTest {
    private LoadTest() {}

    public static void main(String[] words) throws Exception {
        Path folder = Path.of(LoadTest.class
                        .getProtectionDomain()
                        .getCodeSource()
                        .getLocation()
                        .toURI())
                .getParent();
        launcher(folder.resolve("Launcher.java")).invoke(null, folder, "dev.llmworker.scaling.load.LoadTest", words);
    }

    /** Compiles the launcher, because Java before 22 compiles only the file that it is given. */
    private static Method launcher(Path source) throws Exception {
        Path classes = Files.createTempDirectory("launcher");
        ToolProvider.getSystemJavaCompiler().run(null, null, null, "-d", classes.toString(), source.toString());
        URLClassLoader loader = new URLClassLoader(new URL[] {classes.toUri().toURL()});
        Method run = loader.loadClass("Launcher").getDeclaredMethod("run", Path.class, String.class, String[].class);
        run.setAccessible(true);
        Files.delete(classes.resolve("Launcher.class"));
        Files.delete(classes);
        return run;
    }
}
