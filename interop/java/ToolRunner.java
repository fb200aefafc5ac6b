import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs the main classes of Kafka's tools one after the other in one JVM, so that a test pays for a JVM's start once and not per command.
 *
 * Each request on stdin is a class name, its arguments and what its stdin shall be; each answer on stdout is the exit code, its stdout and
 * its stderr. Strings and bytes carry a four byte length. The end of stdin ends the runner.
 */
public final class ToolRunner {
    /** Thrown instead of ending the JVM when a tool exits. */
    private static final class Exited extends Error {
        Exited() {
            super("exit", null, false, false);
        }
    }

    private static final List<Runnable> HOOKS = new CopyOnWriteArrayList<>();
    private static volatile Integer exitCode;

    public static void main(String[] arguments) throws Exception {
        DataInputStream requests = new DataInputStream(System.in);
        DataOutputStream answers = new DataOutputStream(System.out);
        Exit.setExitProcedure(ToolRunner::exit);
        Exit.setHaltProcedure(ToolRunner::exit);
        Exit.setShutdownHookAdder((name, hook) -> HOOKS.add(hook));
        while (true) {
            String mainClass;
            try {
                mainClass = readString(requests);
            } catch (EOFException end) {
                System.exit(0);
                return;
            }
            String[] toolArguments = new String[requests.readInt()];
            for (int i = 0; i < toolArguments.length; i++) {
                toolArguments[i] = readString(requests);
            }
            answer(answers, mainClass, toolArguments, new ByteArrayInputStream(readBytes(requests)));
        }
    }

    private static void answer(DataOutputStream answers, String mainClass, String[] arguments, InputStream input) throws IOException {
        ByteArrayOutputStream output = new ByteArrayOutputStream();
        ByteArrayOutputStream errors = new ByteArrayOutputStream();
        System.setIn(input);
        System.setOut(new PrintStream(output, true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(errors, true, StandardCharsets.UTF_8));
        int code = run(mainClass, arguments);
        runHooks();
        System.out.flush();
        System.err.flush();
        answers.writeInt(code);
        writeBytes(answers, output.toByteArray());
        writeBytes(answers, errors.toByteArray());
        answers.flush();
    }

    /** The exit code of the tool: the first it asked for, 1 after an exception that left its main method, else 0. */
    private static int run(String mainClass, String[] arguments) {
        exitCode = null;
        try {
            Class.forName(mainClass).getMethod("main", String[].class).invoke(null, (Object) arguments);
        } catch (InvocationTargetException thrown) {
            if (!(thrown.getCause() instanceof Exited)) {
                thrown.getCause().printStackTrace();
                return exitCode == null ? 1 : exitCode;
            }
        } catch (ReflectiveOperationException notATool) {
            notATool.printStackTrace();
            return 1;
        }
        return exitCode == null ? 0 : exitCode;
    }

    /** A tool that catches everything says so once more; in a JVM of its own it would not exist any longer. */
    private static void exit(int code, String message) {
        if (exitCode == null) {
            exitCode = code;
            runHooks();
            System.setOut(new PrintStream(OutputStream.nullOutputStream()));
            System.setErr(new PrintStream(OutputStream.nullOutputStream()));
        }
        throw new Exited();
    }

    /** What the tool wants to be done when its JVM ends, once. */
    private static void runHooks() {
        List<Runnable> hooks = List.copyOf(HOOKS);
        HOOKS.clear();
        hooks.forEach(Runnable::run);
    }

    private static String readString(DataInputStream source) throws IOException {
        return new String(readBytes(source), StandardCharsets.UTF_8);
    }

    private static byte[] readBytes(DataInputStream source) throws IOException {
        byte[] bytes = new byte[source.readInt()];
        source.readFully(bytes);
        return bytes;
    }

    private static void writeBytes(DataOutputStream target, byte[] bytes) throws IOException {
        target.writeInt(bytes.length);
        target.write(bytes);
    }
}
