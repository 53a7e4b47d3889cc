package dev.llmworker.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.hub.download.Backoff;
import dev.llmworker.hub.download.ModelUnavailableException;
import dev.llmworker.hub.download.Sha256;
import dev.llmworker.hub.progress.Progress;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ModelLocatorTest {
    private final Map<String, String> environment = new HashMap<>();

    @TempDir
    Path folder;

    @BeforeEach
    void keepToTheTestsFolder() {
        environment.put("HOME", folder.toString());
        environment.put("HF_HUB_OFFLINE", "1");
    }

    @Test
    void aFileIsTakenAsItIs() throws Exception {
        var file = gguf("Tiny.Q8_0.gguf");

        assertEquals(new LocatedModel("Tiny.Q8_0", file), locate(file.toString()));
    }

    @Test
    void aFileNeedsNoSuffix() throws Exception {
        var file = gguf("blob");

        assertEquals(new LocatedModel("blob", file), locate(file.toString()));
    }

    @Test
    void aFileOfAnotherKindIsRefused() throws Exception {
        var file = Files.writeString(folder.resolve("x.gguf"), "GGU");

        assertEquals("MODEL=" + file + ": " + file + " is not a GGUF file", refusal(file.toString()));
    }

    @Test
    void aFolderStandsForItsOnlyGguf() throws Exception {
        var file = gguf("Tiny.gguf");
        Files.writeString(folder.resolve("README.md"), "");

        assertEquals(new LocatedModel("Tiny", file), locate(folder.toString()));
    }

    @Test
    void theListIsQuotedForTheShell() throws Exception {
        gguf("it's a.gguf");
        gguf("b.gguf");

        assertTrue(refusal(folder.toString()).endsWith("\n  MODEL='" + folder + "/it'\\''s a.gguf'"));
    }

    @Test
    void aTildeInQuotesIsExplained() {
        assertEquals(
                "MODEL=~/a b.gguf: no such file. A shell replaces ~ only if it is not in quotes; write MODEL='" + folder
                        + "/a b.gguf'",
                refusal("~/a b.gguf"));
    }

    @Test
    void aStarterModelThatADiskHasChangedIsDeletedAndNotServed() throws Exception {
        var file = gguf("starter.gguf");
        var digest = Sha256.digest();
        digest.update(Files.readAllBytes(file));
        var located = new LocatedModel("starter", file, Sha256.hex(digest));
        located.check();
        var bytes = Files.readAllBytes(file);
        bytes[bytes.length - 1] ^= 1;
        Files.write(file, bytes);
        var refused = assertThrows(ModelUnavailableException.class, located::check);
        assertTrue(
                String.valueOf(refused.getMessage()).startsWith(file + " is damaged: its SHA-256 is "),
                refused::getMessage);
        assertTrue(Files.notExists(file));
        assertEquals(64, StarterModel.read().sha256().length());
        assertTrue(StarterModel.read()
                .place()
                .contains(StarterModel.read().sha256().substring(0, 12)));
    }

    @Test
    void aStarterModelIsCheckedAgainIfItChanges() throws Exception {
        var file = gguf("starter.gguf");
        var wrong = new LocatedModel("starter", file, "0".repeat(64));
        var digest = Sha256.digest();
        digest.update(Files.readAllBytes(file));
        var right = new LocatedModel("starter", file, Sha256.hex(digest));
        var note = folder.resolve("starter.gguf.checked");

        right.check();
        assertTrue(Files.notExists(note), "a new file may still change within a tick of its clock");

        var minuteAgo = Instant.now().minusSeconds(60);
        Files.setLastModifiedTime(file, FileTime.from(minuteAgo));
        right.check();
        assertTrue(Files.exists(note));
        var bytes = Files.readAllBytes(file);
        bytes[bytes.length - 1] ^= 1;
        Files.write(file, bytes);
        Files.setLastModifiedTime(file, FileTime.from(minuteAgo));
        // The size and the time are those of the note, so the file is not read.
        right.check();

        Files.setLastModifiedTime(file, FileTime.from(minuteAgo.plusSeconds(1)));
        assertThrows(ModelUnavailableException.class, right::check);
        assertTrue(Files.notExists(file));
        assertTrue(Files.notExists(note), "the note of a file that is gone");
        gguf("starter.gguf");
        Files.setLastModifiedTime(file, FileTime.from(minuteAgo));
        right.check();
        assertTrue(Files.exists(note));
        assertThrows(ModelUnavailableException.class, wrong::check, "the note is of another SHA-256");
    }

    @Test
    void aFolderWithSeveralIsRefusedWithTheList() throws Exception {
        gguf("b.gguf");
        gguf("a.gguf");

        assertEquals(
                "MODEL=" + folder + " has 2 .gguf files; name one of them:\n  MODEL=" + folder + "/a.gguf\n  MODEL="
                        + folder + "/b.gguf",
                refusal(folder.toString()));
    }

    @Test
    void aFolderOfSafetensorsIsTheModel() throws Exception {
        var tiny = Files.createDirectory(folder.resolve("Tiny"));
        Files.createFile(tiny.resolve("model.safetensors"));
        Files.createFile(tiny.resolve("config.json"));

        assertEquals(
                "MODEL=" + tiny + " has no .gguf file, and no model in safetensors: it lacks tokenizer.json",
                refusal(tiny.toString()));
        Files.createFile(tiny.resolve("tokenizer.json"));
        assertEquals(new LocatedModel("Tiny", tiny), locate(tiny.toString()));
        assertEquals(new LocatedModel("Tiny", tiny.resolve(".")), locate(tiny + "/."));
        var file = tiny.resolve("model.safetensors");
        assertEquals(new LocatedModel("Tiny", file), locate(file.toString()));
    }

    @Test
    void aModelInPartsIsItsFirstFileOrItsFolder() throws Exception {
        var first = gguf("big-00001-of-00003.gguf");
        var third = gguf("big-00003-of-00003.gguf");

        var lacks = " lacks big-00002-of-00003.gguf of 3 parts";
        assertEquals("MODEL=" + first + lacks, refusal(first.toString()));
        assertEquals("MODEL=" + folder + lacks, refusal(folder.toString()));
        assertEquals(
                "MODEL=" + third
                        + ": big-00003-of-00003.gguf is one of 3 parts; name the first, big-00001-of-00003.gguf",
                refusal(third.toString()));
        gguf("big-00002-of-00003.gguf");
        assertEquals(new LocatedModel("big", first), locate(first.toString()));
        assertEquals(new LocatedModel("big", first), locate(folder.toString()));
        Files.delete(first);
        assertEquals("MODEL=" + folder + " lacks big-00001-of-00003.gguf of 3 parts", refusal(folder.toString()));
    }

    @ParameterizedTest
    @ValueSource(strings = {"/x/y.gguf", "./x", "../x/y", "~x.gguf", "models/x.gguf", "x\\y", "models/x.safetensors"})
    void whatLooksLikeAPathAndIsMissingIsCalledAMissingFile(String model) {
        assertEquals("MODEL=" + model + ": no such file", refusal(model));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "name",
                "a/b/c",
                "org/na me",
                "org/..",
                "org/.name",
                "org/na--me",
                "org/name:",
                "org/name:../x.gguf",
                "org/name:/x.gguf",
                "org/name:a//x.gguf",
                "org/name:a/./x.gguf",
                "org/name:x.gguf?download",
                "org/name:x.gguf:y",
                "org/name\u0000"
            })
    void whatIsNeitherAFileNorAnIdIsRefused(String model) {
        assertEquals(
                "MODEL=" + model + ": no such file, and not a Hugging Face id (org/name or org/name:file.gguf)",
                refusal(model));
    }

    @Test
    void anIdIsLookedUpInTheCachesBeforeItIsDownloaded() throws Exception {
        var file = cached("runpod/huggingface-cache/hub/models--org--name/snapshots/abc/Tiny.gguf");

        assertEquals(new LocatedModel("org/name", file), locate("org/name"));
        assertEquals(new LocatedModel("org/name", file), locate("org/name:Tiny.gguf"));
        assertEquals(
                "MODEL=org/name:Other.gguf is not in a cache on this machine, and HF_HUB_OFFLINE=1 forbids the download",
                refusal("org/name:Other.gguf"));
    }

    @Test
    void runPodsCacheGoesBeforeTheUsers() throws Exception {
        cached(".cache/huggingface/hub/models--org--name/snapshots/abc/Tiny.gguf");
        var runPods = cached("runpod/huggingface-cache/hub/models--org--name/snapshots/abc/Tiny.gguf");

        assertEquals(runPods, locate("org/name").file());
    }

    @Test
    void theUsersCacheIsWhereItsVariablesSay() throws Exception {
        var byDefault = cached(".cache/huggingface/hub/models--org--name/snapshots/abc/Tiny.gguf");
        var byHome = cached("home/hub/models--org--name/snapshots/abc/Tiny.gguf");
        var byCache = cached("cache/models--org--name/snapshots/abc/Tiny.gguf");

        assertEquals(byDefault, locate("org/name").file());
        environment.put("HF_HOME", folder.resolve("home").toString());
        assertEquals(byHome, locate("org/name").file());
        environment.put("HF_HUB_CACHE", folder.resolve("cache").toString());
        assertEquals(byCache, locate("org/name").file());
    }

    @Test
    void anIdOfAnotherKindOfFileIsRefused() {
        assertEquals(
                "MODEL=org/name:adapter_model.safetensors: adapter_model.safetensors is not a .gguf file,"
                        + " model.safetensors or model.safetensors.index.json",
                refusal("org/name:adapter_model.safetensors"));
    }

    private LocatedModel locate(String model) throws IOException, InterruptedException {
        environment.put("MODEL", model);
        var backoff = new Backoff(1, 1, 1, _ -> {});
        return new ModelLocator(environment::get, Progress.silent(), folder.resolve("runpod"), backoff).locate();
    }

    private String refusal(String model) {
        return String.valueOf(assertThrows(ModelUnavailableException.class, () -> locate(model))
                .getMessage());
    }

    private Path gguf(String name) throws IOException {
        return Files.writeString(folder.resolve(name), "GGUF and more");
    }

    private Path cached(String path) throws IOException {
        var file = folder.resolve(path);
        Files.createDirectories(file.resolveSibling("."));
        return Files.writeString(file, "GGUF and more");
    }
}
