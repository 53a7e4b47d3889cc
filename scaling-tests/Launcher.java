import java.io.File;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.ProcessBuilder.Redirect;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Builds the programs with Maven if they are not up to date, and runs one of them in this JVM.
 *
 * <p>This file and the two that use it keep to Java 11, so that an older Java gives a clear message.
 */
final class Launcher {
    private static final int NEEDED_JAVA = 25;
    private static final int SECONDS_BETWEEN_LINES = 5;
    private static final Pattern VERSION = Pattern.compile("JAVA_VERSION=\"(\\d+)");

    private Launcher() {}

    /** @param program the class to run; the source file of the same name lies in the folder */
    static void run(Path folder, String program, String[] words) throws Exception {
        if (Runtime.version().feature() < NEEDED_JAVA) {
            String name = program.substring(program.lastIndexOf('.') + 1);
            List<String> command = new ArrayList<>(List.of(
                    newerJava().resolve("bin/java").toString(),
                    folder.resolve(name + ".java").toString()));
            command.addAll(Arrays.asList(words));
            System.exit(finish(new ProcessBuilder(command).inheritIO().start()));
        }
        Path jar = folder.resolve("target/scaling-tests.jar");
        if (!isUpToDate(folder, jar)) {
            build(folder, jar);
        }
        List<URL> urls = new ArrayList<>(List.of(jar.toUri().toURL()));
        try (Stream<Path> libraries = Files.list(folder.resolve("target/lib"))) {
            for (Path library : libraries.collect(Collectors.toList())) {
                urls.add(library.toUri().toURL());
            }
        }
        // Stays open as long as the program runs.
        URLClassLoader loader = new URLClassLoader(urls.toArray(new URL[0]), ClassLoader.getPlatformClassLoader());
        Thread.currentThread().setContextClassLoader(loader);
        loader.loadClass(program).getMethod("main", String[].class).invoke(null, (Object) words);
    }

    /** Waits for a process. It is asked to end if this JVM is. */
    private static int finish(Process process) throws InterruptedException {
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                process.descendants().forEach(ProcessHandle::destroy);
                process.destroy();
                process.waitFor();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }));
        return process.waitFor();
    }

    /** A JDK that is new enough, in the places where ./worker looks, too. */
    private static Path newerJava() throws IOException {
        String running = "Java " + Runtime.version().feature() + " in " + System.getProperty("java.home");
        List<Path> candidates = new ArrayList<>();
        if (System.getenv("JAVA_HOME") != null) {
            candidates.add(Path.of(System.getenv("JAVA_HOME")));
        }
        String home = System.getProperty("user.home");
        for (String parent : List.of("/usr/lib/jvm", home + "/.sdkman/candidates/java", home + "/.jdks")) {
            if (Files.isDirectory(Path.of(parent))) {
                try (Stream<Path> folders = Files.list(Path.of(parent))) {
                    folders.sorted().forEach(candidates::add);
                }
            }
        }
        for (Path candidate : candidates) {
            Path release = candidate.resolve("release");
            Matcher version = VERSION.matcher(Files.isReadable(release) ? Files.readString(release) : "");
            if (version.find()
                    && Integer.parseInt(version.group(1)) >= NEEDED_JAVA
                    && Files.isExecutable(candidate.resolve("bin/javac"))) {
                return candidate;
            }
        }
        throw fail("needs a JDK " + NEEDED_JAVA + " or newer; found " + running
                + ". https://adoptium.net has it. If it is installed already, set JAVA_HOME to its folder");
    }

    private static boolean isUpToDate(Path folder, Path jar) throws IOException {
        if (!Files.exists(jar)) {
            return false;
        }
        try (Stream<Path> sources =
                Stream.concat(Stream.of(folder.resolve("pom.xml")), Files.walk(folder.resolve("src")))) {
            long built = jar.toFile().lastModified();
            return sources.allMatch(source -> source.toFile().lastModified() <= built);
        }
    }

    /** Two programs that start at the same time must not build into one folder. */
    private static void build(Path folder, Path jar) throws IOException, InterruptedException {
        File target = folder.resolve("target").toFile();
        if (!target.isDirectory() && !target.mkdirs() || !target.canWrite()) {
            throw fail(target + " cannot be written, and the programs must be built there. Build them as its owner");
        }
        try (RandomAccessFile lock = new RandomAccessFile(new File(target, ".build.lock"), "rw")) {
            lock.getChannel().lock();
            if (!isUpToDate(folder, jar)) {
                runMaven(folder, new File(target, "build.log"));
                // Maven leaves the file alone if nothing in it changes.
                jar.toFile().setLastModified(System.currentTimeMillis());
            }
        }
    }

    private static void runMaven(Path folder, File log) throws IOException, InterruptedException {
        boolean isWindows = System.getProperty("os.name").startsWith("Windows");
        ProcessBuilder maven = new ProcessBuilder(
                isWindows ? "mvn.cmd" : "mvn",
                "-B",
                "-Dstyle.color=never",
                "-f",
                folder.resolve("pom.xml").toString(),
                "package");
        maven.environment().put("JAVA_HOME", System.getProperty("java.home"));
        maven.redirectErrorStream(true).redirectOutput(Redirect.to(log)).redirectInput(Redirect.PIPE);
        Process process;
        try {
            process = maven.start();
        } catch (IOException e) {
            throw fail("needs Maven to build the programs, and there is no mvn on the PATH."
                    + " To install it: apt-get install maven, dnf install maven or brew install maven");
        }
        System.err.println("building the programs; this takes about 20 s, and a minute the first time");
        long begin = System.nanoTime();
        Thread progress = new Thread(() -> {
            try {
                while (!process.waitFor(SECONDS_BETWEEN_LINES, TimeUnit.SECONDS)) {
                    long files = count(log, " Downloaded from ");
                    System.err.printf(
                            "  %d s%s%n",
                            TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - begin),
                            files == 0 ? "" : ", " + files + " files downloaded");
                }
            } catch (InterruptedException | IOException e) {
                Thread.currentThread().interrupt();
            }
        });
        progress.setDaemon(true);
        progress.start();
        if (finish(process) != 0) {
            Files.lines(log.toPath())
                    .filter(line -> line.startsWith("[ERROR]"))
                    .limit(20)
                    .forEach(System.err::println);
            throw fail("the build failed; all messages are in " + log);
        }
    }

    private static long count(File log, String text) throws IOException {
        try (Stream<String> lines = Files.lines(log.toPath())) {
            return lines.filter(line -> line.contains(text)).count();
        }
    }

    /** Ends the program; never returns. */
    private static RuntimeException fail(String message) {
        System.err.println(message);
        System.exit(1);
        return new IllegalStateException(message);
    }
}
